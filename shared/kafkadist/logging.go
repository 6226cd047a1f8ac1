package kafkadist

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"strings"
)

// Kafka 3 logs by reload4j (log4j.properties), Kafka 4 by Log4j 2; each to standard output or to a file.
//
//go:embed logging/*.properties
var logging embed.FS

var loggingFiles = []string{
	"log4j-stdout.properties", "log4j-file.properties",
	"log4j2-stdout.properties", "log4j2-file.properties",
}

func (i Installation) loggingFlags(logFile string) []string {
	library, property := "log4j2", "log4j2.configurationFile"
	if strings.HasPrefix(i.Release, "3.") {
		library, property = "log4j", "log4j.configuration"
	}
	if logFile == "" {
		return []string{"-D" + property + "=file:" + i.loggingPath(library+"-stdout.properties")}
	}
	return []string{
		"-D" + property + "=file:" + i.loggingPath(library+"-file.properties"),
		"-Dmillrace.log.file=" + logFile,
	}
}

func (i Installation) loggingPath(name string) string { return filepath.Join(i.dir, "logging", name) }

// loggingComplete compares contents: they change with this program, not with the release of Kafka.
func (i Installation) loggingComplete() bool {
	for _, name := range loggingFiles {
		want, err := logging.ReadFile("logging/" + name)
		got, readErr := os.ReadFile(i.loggingPath(name))
		if err != nil || readErr != nil || !bytes.Equal(want, got) {
			return false
		}
	}
	return true
}

func (i Installation) writeLogging() error {
	if err := os.MkdirAll(filepath.Join(i.dir, "logging"), 0o755); err != nil {
		return err
	}
	for _, name := range loggingFiles {
		content, err := logging.ReadFile("logging/" + name)
		if err != nil {
			return err
		}
		if err := writeWhole(i.loggingPath(name), content); err != nil {
			return err
		}
	}
	return nil
}
