package logvolume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/brokeragent"
)

// Place is where a log volume appears: a directory that counts only while another file system than that around it is
// there. The directory that waits for the mount lies on the host's own disk, which ends with the host.
type Place string

// Volume gives the place once the volume is there. An error says why it will not be without somebody's help.
func (p Place) Volume() (dir string, attached bool, err error) {
	var there, around unix.Stat_t
	if err := unix.Stat(string(p), &there); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return "", false, nil
		}
		return "", false, fmt.Errorf("%s: %w", p, err)
	}
	if there.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", false, fmt.Errorf("%s is not a directory", p)
	}
	if err := unix.Stat(filepath.Dir(string(p)), &around); err != nil {
		return "", false, fmt.Errorf("%s: %w", filepath.Dir(string(p)), err)
	}
	if there.Dev != around.Dev {
		return string(p), true, nil
	}
	for _, name := range []string{refusal, missing} {
		content, err := os.ReadFile(filepath.Join(string(p), name))
		reason := strings.TrimSpace(string(content))
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return "", false, err
		case name == missing:
			return "", false, brokeragent.VolumeIncomplete(reason)
		default:
			return "", false, errors.New(reason)
		}
	}
	return "", false, nil
}
