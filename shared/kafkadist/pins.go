package kafkadist

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// One list per release: checksum (SHA-256), size in bytes and name of every jar, in the order of the class path.
// A release added to kafkaversion gets its list by: go test ./shared/kafkadist -run Pinned -update
//
//go:embed releases/*.sha256
var releases embed.FS

// jar is one file that a release consists of.
type jar struct {
	sha256 string
	size   int64
	name   string
}

// pinned gives the jars of a release.
func pinned(release string) ([]jar, error) {
	text, err := releases.ReadFile("releases/" + release + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("Apache Kafka %s is not a release that Millrace runs", release) //nolint:staticcheck // a name
	}
	var jars []jar
	for line := range strings.Lines(string(text)) {
		var j jar
		if _, err := fmt.Sscanf(line, "%s %d %s", &j.sha256, &j.size, &j.name); err != nil {
			return nil, fmt.Errorf("read the jar list of Kafka %s: %q: %w", release, line, err)
		}
		jars = append(jars, j)
	}
	return jars, nil
}

// measure reads a file and says what its line in the list would be.
func measure(path string) (jar, error) {
	f, err := os.Open(path)
	if err != nil {
		return jar{}, err
	}
	defer f.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return jar{}, err
	}
	return jar{sha256: hex.EncodeToString(hash.Sum(nil)), size: size, name: filepath.Base(path)}, nil
}

// errUnexpected means that a repository gave something other than what the list says.
var errUnexpected = errors.New("not the files this program was built for")

// verify checks that a directory holds exactly the jars wanted, byte for byte.
func verify(dir string, wanted []jar) error {
	var errs []error
	for _, want := range wanted {
		got, err := measure(filepath.Join(dir, want.name))
		switch {
		case err != nil:
			errs = append(errs, err)
		case got != want:
			errs = append(errs, fmt.Errorf("%s has checksum %s instead of %s", want.name, got.sha256, want.sha256))
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(wanted) {
		errs = append(errs, fmt.Errorf("%d files instead of %d", len(entries), len(wanted)))
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", errUnexpected, errors.Join(errs...))
	}
	return nil
}

// jarsComplete compares sizes only, which costs microseconds: checksums were compared when the jars were fetched, and
// what can still happen to them is a full disk or someone tidying up.
func (i Installation) jarsComplete(wanted []jar) bool {
	for n, want := range wanted {
		info, err := os.Stat(i.Jars[n])
		if err != nil || info.Size() != want.size {
			return false
		}
	}
	return true
}
