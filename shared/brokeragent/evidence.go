package brokeragent

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxEvidence is how much of a log's end is read to find the line that tells why Kafka ended.
	maxEvidence = 256 << 10
	// maxOutput bounds what a JVM may say on its standard output; Kafka's own log rotates by itself.
	maxOutput = 4 << 20
)

// evidence is where one Kafka process's words begin in the files that it shares with those before it.
type evidence struct{ log, output filePosition }

type filePosition struct {
	path   string
	offset int64
	file   os.FileInfo // that the offset is of, which has another name once the log is rotated; nil where all files count from their beginning
}

// evidenceOf is all that the logs hold.
func evidenceOf(h home) evidence {
	return evidence{log: filePosition{path: h.kafkaLog()}, output: filePosition{path: h.output()}}
}

// fromHere is the evidence of whatever will be written from now on.
func (e evidence) fromHere() evidence {
	return evidence{log: e.log.atEnd(), output: e.output.atEnd()}
}

func (p filePosition) atEnd() filePosition {
	if info, err := os.Stat(p.path); err == nil {
		p.offset, p.file = info.Size(), info
	}
	return p
}

// saysStarted tells whether Kafka has said that it started, which is the last thing it does when it starts.
func (e evidence) saysStarted() bool { return e.log.contains("Kafka Server started") }

// contains searches all that was written since the position, in files that the log was rotated to as well: within a second of
// starting, a controller of a thousand topics says more about them than a look at the end of its log would show.
func (p filePosition) contains(words string) bool {
	rotated, err := filepath.Glob(p.path + ".*")
	if err != nil {
		return false
	}
	for _, path := range append([]string{p.path}, rotated...) {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		var from int64
		switch {
		case p.file == nil:
		case os.SameFile(info, p.file):
			from = p.offset
		case !info.ModTime().After(p.file.ModTime()):
			continue // what others before it have said
		}
		if content, err := os.ReadFile(path); err == nil && from <= int64(len(content)) && bytes.Contains(content[from:], []byte(words)) {
			return true
		}
	}
	return false
}

// explain says how Kafka ended, with the line of its logs that tells why where there is one.
func explain(exit string, e evidence) string {
	ended := "Kafka ended"
	if exit != "" {
		ended = fmt.Sprintf("Kafka ended (%s)", exit)
	}
	if strings.HasPrefix(exit, "signal: killed") {
		return ended // by somebody else; its last words are about something else
	}
	if line := tellingLine(e.log.read(), e.output.read()); line != "" {
		return ended + ": " + line
	}
	return ended
}

// read gives what was written since the position, at most the last maxEvidence of it.
func (p filePosition) read() string {
	file, err := os.Open(p.path)
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	from := p.offset
	if info.Size() < from {
		from = 0 // rotated since
	}
	from = max(from, info.Size()-maxEvidence)
	content, err := io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
	if err != nil {
		return ""
	}
	return string(content)
}

// openOutput opens the file that takes a JVM's own output. The process writes to it directly rather than through the
// agent, so that it outlives the agent; it appends, so that the file can be shortened under it.
func openOutput(path string) (*os.File, error) {
	boundOutput(path)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of Kafka's output: %w", err)
	}
	return file, nil
}

// boundOutput empties an output that has grown too large and keeps what it held as the one file before it.
func boundOutput(path string) {
	info, err := os.Stat(path)
	if err != nil || info.Size() < maxOutput {
		return
	}
	if content, err := os.ReadFile(path); err == nil {
		// Best effort: when the disk is full, room matters more than old words.
		_ = os.WriteFile(path+".1", content, 0o644)
	}
	_ = os.Truncate(path, 0)
}
