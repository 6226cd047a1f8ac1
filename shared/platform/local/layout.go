package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/shared/brokeragent"
)

// Layout is the data directory and the one place that knows what lies where in it.
type Layout struct {
	Dir string
}

// Directories and files of a data directory.
func (l Layout) lock() string            { return filepath.Join(l.Dir, "lock") }
func (l Layout) database() string        { return filepath.Join(l.Dir, "control-plane.db") }
func (l Layout) running() string         { return filepath.Join(l.Dir, "control-plane.json") }
func (l Layout) region() string          { return filepath.Join(l.Dir, "region") }
func (l Layout) credentials() string     { return filepath.Join(l.Dir, "credentials.json") }
func (l Layout) sealKey() string         { return filepath.Join(l.Dir, "seal.key") }
func (l Layout) mailbox() string         { return filepath.Join(l.Dir, "mailbox-endpoint") }
func (l Layout) hosts() string           { return filepath.Join(l.Dir, "hosts") }
func (l Layout) host(id string) string   { return filepath.Join(l.hosts(), id) }
func (l Layout) volumes() string         { return filepath.Join(l.Dir, "volumes") }
func (l Layout) volume(id string) string { return filepath.Join(l.volumes(), id) }
func (l Layout) addresses() string       { return filepath.Join(l.Dir, "addresses") }
func (l Layout) secrets() string         { return filepath.Join(l.Dir, "secrets") }
func (l Layout) secret(name string) string {
	return filepath.Join(l.secrets(), filepath.FromSlash(name))
}
func (l Layout) hostFile(id string) string   { return filepath.Join(l.host(id), "host.json") }
func (l Layout) hostLaunch(id string) string { return filepath.Join(l.host(id), "launch.json") } // what it was launched for
func (l Layout) hostToken(id string) string  { return filepath.Join(l.host(id), "token") }
func (l Layout) hostEnded(id string) string  { return filepath.Join(l.host(id), "terminated") }
func (l Layout) hostVolume(id string) string {
	return filepath.Join(l.host(id), "volume") // a link to the volume, once it is attached
}

// hostFurther are links to further volumes, by their ids, while they are attached.
func (l Layout) hostFurther(id string) string { return brokeragent.FurtherVolumes(l.hostVolume(id)) }

// What is beside a volume: how many bytes it may hold; of a further one, how many the first one has to hold for it to be left; and
// when its size was changed last.
func (l Layout) volumeSize(id string) string    { return brokeragent.VolumeSizeFile(l.volume(id)) }
func (l Layout) volumeWhole(id string) string   { return brokeragent.VolumeWholeFile(l.volume(id)) }
func (l Layout) volumeChanged(id string) string { return l.volume(id) + ".changed" }
func (l Layout) agentLog(id string) string      { return filepath.Join(l.host(id), "logs", "agent.log") }

// LogFile is where a control plane in the background writes.
func (l Layout) LogFile() string { return filepath.Join(l.Dir, "control-plane.log") }

// Create makes the directories. Nobody but this user may look inside.
func (l Layout) Create() error {
	for _, dir := range []string{l.Dir, l.hosts(), l.volumes(), l.addresses(), l.secrets()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return os.Chmod(l.Dir, 0o700)
}

// temporaryPrefix starts the names of files that are being written.
const temporaryPrefix = ".new-"

// writeFile replaces a file as a whole, readable by this user only; a crash leaves the old or the new content.
func writeFile(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), temporaryPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(content); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Sync(); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// tidy removes what a control plane has left that was killed while it wrote a file. The caller has the lock.
func (l Layout) tidy() error {
	for _, dir := range []string{l.Dir, l.volumes()} {
		left, err := filepath.Glob(filepath.Join(dir, temporaryPrefix+"*"))
		if err != nil {
			return err
		}
		for _, file := range left {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove what was not written whole: %w", err)
			}
		}
	}
	return nil
}
