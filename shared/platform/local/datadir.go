package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// entries are the names of everything that a data directory holds. The lock is the last: whoever removes them holds it.
func (l Layout) entries() []string {
	return []string{
		filepath.Base(l.hosts()), filepath.Base(l.volumes()), filepath.Base(l.addresses()), filepath.Base(l.secrets()),
		filepath.Base(l.database()), filepath.Base(l.region()), filepath.Base(l.credentials()), filepath.Base(l.sealKey()),
		filepath.Base(l.mailbox()),
		filepath.Base(l.running()), filepath.Base(l.LogFile()), filepath.Base(l.LogFile()) + oldLogEnding, filepath.Base(l.lock()),
	}
}

// isOurs tells whether an entry of a data directory is one that Millrace makes, for good or for a moment.
func (l Layout) isOurs(entry string) bool {
	return slices.Contains(l.entries(), entry) ||
		strings.HasPrefix(entry, temporaryPrefix) || strings.HasPrefix(entry, temporaryAddressPrefix)
}

// Exists tells whether the directory is a data directory that a control plane has had. False for one that is not there.
func (l Layout) Exists() (bool, error) {
	for _, path := range []string{l.lock(), l.hosts(), l.volumes()} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// Foreign lists what is in the directory and is not Millrace's; nothing for a directory that is not there.
func (l Layout) Foreign() ([]string, error) {
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var foreign []string
	for _, e := range entries {
		if !l.isOurs(e.Name()) {
			foreign = append(foreign, e.Name())
		}
	}
	return foreign, nil
}

// Remove removes everything of Millrace's from the directory, and the directory itself when nothing else is in it; kept
// names what else is. Only the holder of the lock may call it, after the hosts are off.
func (l Layout) Remove() (kept []string, err error) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if l.isOurs(e.Name()) && e.Name() != filepath.Base(l.lock()) {
			if err := os.RemoveAll(filepath.Join(l.Dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	if err := os.Remove(l.lock()); err != nil {
		return nil, err
	}
	kept, err = l.Foreign()
	if err != nil || len(kept) > 0 {
		return kept, err
	}
	return nil, os.Remove(l.Dir)
}
