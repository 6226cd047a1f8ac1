// Package wire is what the test and its machines say to each other, and what both know of the bytes that are written there.
package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// What a machine can be asked to do.
const (
	Run       = "run"        // a program, and wait for its end; what it prints goes to Path if there is one
	Start     = "start"      // a program, whose process number is the answer
	Kill      = "kill"       // the process of a number
	Write     = "write"      // Args[0] into a file
	Fill      = "fill"       // a file with Number bytes of its own
	Check     = "check"      // a file for the Number bytes that it was filled with
	Size      = "size"       // of the file system that a directory is on
	Load      = "load"       // begin to append records to a file
	Loaded    = "loaded"     // how many records are on the disk for certain, and how long the longest took
	CheckLoad = "check-load" // a file for its first Number records
	Tear      = "tear"       // a disk that is ready for LVM: give it the mark of a group, and no record of it
)

// Request is one line to the machine.
type Request struct {
	ID     int      `json:"id"`
	Do     string   `json:"do"`
	Args   []string `json:"args,omitempty"`
	Path   string   `json:"path,omitempty"`
	Number int64    `json:"number,omitempty"`
}

// Answer is one line from the machine; the first one, of the id 0, says that it is up.
type Answer struct {
	ID     int    `json:"id"`
	Output string `json:"output,omitempty"`
	Number int64  `json:"number,omitempty"`
	Millis int64  `json:"millis,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Content is what a file is filled with; it does not end.
func Content(path string) io.Reader {
	h := fnv.New64a()
	_, _ = io.WriteString(h, path)
	c := content(h.Sum64())
	return &c
}

// content counts, in steps that make every eight bytes of every file different from all others near and far.
type content uint64

func (c *content) Read(p []byte) (int, error) {
	if len(p) < 8 {
		return 0, io.ErrShortBuffer
	}
	n := len(p) / 8 * 8
	for at := 0; at < n; at += 8 {
		*c += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(p[at:], uint64(*c^*c>>29))
	}
	return n, nil
}

// Same tells whether size bytes, and no more, are as they were written.
func Same(got, want io.Reader, size int64) error {
	const piece = 1 << 20
	g, w := make([]byte, piece), make([]byte, piece)
	for at := int64(0); at < size; at += piece {
		n := min(piece, size-at)
		if _, err := io.ReadFull(got, g[:n]); err != nil {
			return fmt.Errorf("at byte %d of %d: %w", at, size, err)
		}
		if _, err := io.ReadFull(want, w[:n]); err != nil {
			return err
		}
		if !bytes.Equal(g[:n], w[:n]) {
			return fmt.Errorf("other bytes than were written between %d and %d", at, at+n)
		}
	}
	if n, _ := got.Read(g[:1]); n > 0 {
		return fmt.Errorf("more than the %d bytes that were written", size)
	}
	return nil
}

// Record is a record of a load.
func Record(number int64) []byte {
	record := bytes.Repeat(binary.LittleEndian.AppendUint64(nil, uint64(number)), 64)
	return record
}
