package brokeragent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// home is the agent's directory and the one place that knows what lies where in it.
type home struct{ dir string }

func (h home) private() string    { return filepath.Join(h.dir, "private") } // mode 0700: every file in it holds a secret
func (h home) key() string        { return filepath.Join(h.private(), "key.pem") }
func (h home) request() string    { return filepath.Join(h.private(), "request.pem") }
func (h home) keystore() string   { return filepath.Join(h.private(), "keystore.pem") }
func (h home) truststore() string { return filepath.Join(h.private(), "truststore.pem") }
func (h home) properties() string { return filepath.Join(h.private(), "server.properties") }
func (h home) spec() string       { return filepath.Join(h.private(), "spec.json") }
func (h home) member() string     { return filepath.Join(h.private(), "member") } // see node.remember
func (h home) first() string      { return filepath.Join(h.dir, FirstVolumeFile) }
func (h home) logs() string       { return filepath.Join(h.dir, "logs") }
func (h home) kafkaLog() string   { return filepath.Join(h.logs(), "kafka.log") }
func (h home) output() string     { return filepath.Join(h.logs(), "kafka.out") } // what the JVM itself has to say

// FirstVolumeFile is the file, in the agent's directory, that names the volume that its log volume begins on. Whoever brings the volume
// may have to be somebody else than the agent, and learns there which one may be formatted.
const FirstVolumeFile = "first-volume"

func (h home) create() error {
	if err := os.MkdirAll(h.logs(), 0o755); err != nil {
		return fmt.Errorf("host directory: %w", err)
	}
	if err := os.MkdirAll(h.private(), 0o700); err != nil {
		return fmt.Errorf("host directory: %w", err)
	}
	return nil
}

// claim makes this process the only agent of the directory until it ends.
func (h home) claim() (release func(), err error) {
	lock, err := lockDirectory(h.dir)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another agent works in %s", h.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("host directory: %w", err)
	}
	return func() { lock.Close() }, nil
}

// errLocked means that another process holds the lock.
var errLocked = errors.New("another process holds the lock")

// lockDirectory takes the exclusive lock of a directory without writing into it. The lock lasts until every copy of the
// returned file is closed, those that child processes inherited included.
func lockDirectory(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		d.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d, nil
}

// writePrivately replaces a file as a whole, readable by this user only. A crash, of the machine too, leaves the old or
// the new content.
func writePrivately(path string, content []byte) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		// On a full disk, half a file would only take room from what comes next.
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes the names in a directory outlast a crash of the machine.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
