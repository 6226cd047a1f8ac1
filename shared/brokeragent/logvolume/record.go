package logvolume

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"golang.org/x/sys/unix"
)

// RunDir is where root keeps what others may read of the log volume, and its own lock.
const RunDir = "/run/millrace"

// Record is root's directory with what the log volume is made of, for the agent, who is somebody else.
type Record string

type record struct {
	Volumes []string `json:"volumes"`
	Left    []string `json:"left,omitempty"`
}

func (r Record) file() string { return filepath.Join(string(r), "log-volume.json") }

// Parts implements the agent's VolumeParts.
func (r Record) Parts() (made, left []string) {
	content, err := os.ReadFile(r.file())
	if err != nil {
		return nil, nil
	}
	var found record
	if json.Unmarshal(content, &found) != nil {
		return nil, nil
	}
	return found.Volumes, found.Left
}

// put replaces what stands there; a log volume that can't be made of several has nothing there.
func (r Record) put(made, left []string) error {
	if made == nil {
		return os.RemoveAll(r.file())
	}
	if m, l := r.Parts(); reflect.DeepEqual(record{m, l}, record{made, left}) {
		return nil
	}
	content, err := json.Marshal(record{made, left})
	if err != nil {
		return err
	}
	return replace(r.file(), content)
}

// replace lets nobody read half a file.
func replace(path string, content []byte) error {
	next := path + ".new"
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// lock makes this process the only one of ours that works on the log volume; ok is false while another does. It ends with the process,
// while a command that it has started may work on: LVM closes whatever it inherits as it starts, so it can't hold our lock, and its own
// locks let one command at a group at a time. Whatever LVM is told must therefore do no more when it is told twice.
func (r Record) lock() (lock *os.File, ok bool, err error) {
	if err := os.MkdirAll(string(r), 0o755); err != nil {
		return nil, false, err
	}
	lock, err = os.OpenFile(filepath.Join(string(r), "log-volume.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return lock, true, nil
	}
	lock.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = nil
	}
	return nil, false, err
}

// readFirst reads which volume is the first, as the agent has left it; empty while it has not. The file is somebody else's, so it is
// believed as little as possible: it says which volume may be formatted, and that has to be blank all the same.
func readFirst(path string) (serial string, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || path == "" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read which volume is the first: %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, 100))
	if err != nil {
		return "", fmt.Errorf("read which volume is the first: %w", err)
	}
	serial, ok := serialOf(strings.TrimSpace(string(content)))
	if !ok {
		return "", fmt.Errorf("%s names no volume: %q", path, content)
	}
	return serial, nil
}
