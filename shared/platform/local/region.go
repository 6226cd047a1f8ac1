package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// Region is the region that everything in a data directory was made for, because its name is part of every ARN; empty
// for a directory that nothing was made in.
func (l Layout) Region() (string, error) {
	content, err := os.ReadFile(l.region())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(content)), err
}

// ensureRegion writes down the region of a new data directory, and returns Invalid for one of another region.
func (l Layout) ensureRegion(region string) error {
	made, err := l.Region()
	if err != nil {
		return fmt.Errorf("read the region of the data directory: %w", err)
	}
	if made == "" {
		return writeFile(l.region(), []byte(region+"\n"))
	}
	if made != region {
		return fault.New(fault.Invalid, "everything in %s belongs to region %s, not to %s", l.Dir, made, region)
	}
	return nil
}
