package kafkadist

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

const (
	oldestJava     = 17 // brokers of Kafka 4 need it
	installCommand = "apt-get install openjdk-17-jre-headless maven"
)

// java is a Java runtime, as far as it matters here.
type java struct {
	Path     string    `json:"path"` // of the command itself, not of a symbolic link to it
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// Version is what it says about itself, with the exact build: an archive of classes fits one build only.
	Version string `json:"version"`
}

// findJava gives the runtime under JAVA_HOME or else the first on the path. Asking it for its version starts a JVM, so
// the answer is kept until the file changes.
func (s Store) findJava(ctx context.Context) (java, error) {
	command := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		command = filepath.Join(home, "bin", "java")
	}
	found, err := exec.LookPath(command)
	if err != nil {
		return java{}, fmt.Errorf("Kafka needs Java %d or newer and none was found; install it: %s", oldestJava, installCommand) //nolint:staticcheck // a name
	}
	path, err := filepath.EvalSymlinks(found)
	if err != nil {
		return java{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return java{}, err
	}

	now := java{Path: path, Size: info.Size(), Modified: info.ModTime().UTC()}
	if known := s.knownJava(); known.Path == now.Path && known.Size == now.Size && known.Modified.Equal(now.Modified) {
		return known, nil
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return java{}, fmt.Errorf("%s -version: %w: %s", path, err, bytes.TrimSpace(out))
	}
	now.Version = string(out)
	if major := majorVersion(now.Version); major < oldestJava {
		return java{}, fmt.Errorf("Kafka needs Java %d or newer and %s is version %d; install it: %s, or set JAVA_HOME", //nolint:staticcheck // a name
			oldestJava, path, major, installCommand)
	}
	return now, s.rememberJava(now)
}

var versionPattern = regexp.MustCompile(`version "(\d+)`)

// majorVersion reads what java -version prints; 0 when it can't be understood, and 1 for everything before Java 9.
func majorVersion(text string) int {
	match := versionPattern.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	major, _ := strconv.Atoi(match[1])
	return major
}

// knownJava is the runtime seen last. A file that can't be read is as good as none.
func (s Store) knownJava() (known java) {
	text, err := os.ReadFile(s.javaFile())
	if err != nil || json.Unmarshal(text, &known) != nil {
		return java{}
	}
	return known
}

func (s Store) rememberJava(j java) error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(s.javaFile(), text)
}

func (s Store) javaFile() string { return filepath.Join(s.Dir, "java.json") }

// writeWhole replaces a file so that readers see the old content or the new one, never a part.
func writeWhole(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(content); err != nil {
		temp.Close()
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
