// Package kafkaformat makes an empty directory a log directory of Kafka, and reads whose it is.
//
// Kafka's own tool for this starts a JVM and costs more than a second of processor time per node. The files are few and
// their formats are public, so they are written here directly.
package kafkaformat

import (
	"errors"

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

// Format makes an empty directory the log directory of a node. What an interrupted Format left behind counts as empty.
func Format(dir string, n Node) error { return errors.New("not yet") }

// Read gives the identity of a log directory; ok is false when it has not been formatted.
func Read(dir string) (id Identity, ok bool, err error) { return Identity{}, false, nil }
