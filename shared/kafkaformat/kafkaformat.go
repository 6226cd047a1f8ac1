// Package kafkaformat makes an empty directory a log directory of Kafka, and reads whose it is.
//
// Kafka's own tool for this starts a JVM and costs more than a second of processor time per node. The files are few and
// their formats are public, so they are written here directly.
package kafkaformat

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// Identity says to which node of which cluster a log directory belongs.
type Identity struct {
	ClusterID   string // Kafka's own id: 16 bytes, unpadded URL base64
	NodeID      int32
	DirectoryID string // 16 bytes, unpadded URL base64
}

// Node is what a new log directory is made for.
type Node struct {
	Identity
	Role nodespec.Role
	// Features and Users are the cluster's first metadata. Only controllers hold metadata, so only they need them.
	Features []kafkaversion.Feature
	Users    []nodespec.ScramUser
}

// ErrNotEmpty means the directory holds something, so that nothing was written: it may be data.
var ErrNotEmpty = errors.New("the directory is not empty")

// The files of a formatted directory. Kafka takes a directory with the first one as formatted, so it is written last.
const (
	metaProperties      = "meta.properties"
	metaPropertiesTemp  = "meta.properties.millrace"
	bootstrapCheckpoint = "bootstrap.checkpoint"
)

// harmless may lie in a directory that counts as empty: what a file system makes by itself, and what a Format that was
// interrupted leaves. A node that ever ran also has meta.properties or a directory per partition.
var harmless = []string{"lost+found", bootstrapCheckpoint, metaPropertiesTemp}

// Format makes an empty directory the log directory of a node. What an interrupted Format left behind counts as empty,
// so Format can be called again; a directory that holds anything else is left alone, with [ErrNotEmpty].
func Format(dir string, n Node) error {
	if err := n.check(); err != nil {
		return err
	}
	if err := checkEmpty(dir); err != nil {
		return err
	}
	if n.Role == nodespec.Controller {
		if err := writeSynced(filepath.Join(dir, bootstrapCheckpoint), checkpoint(n.Features, n.Users)); err != nil {
			return err
		}
	}
	temp := filepath.Join(dir, metaPropertiesTemp)
	if err := writeSynced(temp, n.properties()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, metaProperties)); err != nil {
		return err
	}
	return syncDir(dir)
}

func (n Node) check() error {
	if n.Role != nodespec.Broker && n.Role != nodespec.Controller {
		return fmt.Errorf("format for role %q: neither broker nor controller", n.Role)
	}
	if n.Role == nodespec.Controller && len(n.Features) == 0 {
		return errors.New("format a controller: no metadata version given")
	}
	for name, id := range map[string]string{"cluster": n.ClusterID, "directory": n.DirectoryID} {
		if raw, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(raw) != 16 {
			return fmt.Errorf("%s id %q is not 16 bytes in unpadded URL base64", name, id)
		}
	}
	return nil
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(harmless, e.Name()) {
			return fmt.Errorf("format %s: %w: it holds %s", dir, ErrNotEmpty, e.Name())
		}
	}
	return nil
}

// writeSynced returns when the content is on the disk. The file is only for its owner: it may hold credentials.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes the names of new files in a directory survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
