// Package kafkadist puts Kafka's software on a machine and says how to start it.
//
// Apache Kafka comes from Maven Central by an embedded pom, once per release; every jar is checked against a checksum
// that is part of this program. From then on nothing is fetched again. The package also builds the start-up archive: the
// classes of a running broker, parsed and verified ahead of time, which halves the time a node takes to start.
package kafkadist

import (
	"context"
	"errors"
	"os/exec"

	"github.com/millrace/millrace/shared/nodespec"
)

// Store is a directory of Kafka installations, shared by all agents of a machine.
type Store struct {
	// Dir is created where missing. Several processes may use it at once.
	Dir string
}

// UserStore is the store of the user who runs this program: millrace/kafka in their cache directory.
func UserStore() (Store, error) { return Store{}, errors.New("not yet") }

// Installation is one release of Kafka, ready to start.
type Installation struct {
	// Release is the exact Apache Kafka release, such as 4.1.2.
	Release string
	// Jars are the paths of all jars in a fixed order: the start-up archive is only valid for the class path it was made with.
	Jars []string
	// Archive is the path of the start-up archive.
	Archive string
	// Java is the path of the java command.
	Java string
}

// ProcessSettings are what differs from one Kafka process to the next.
type ProcessSettings struct {
	// Properties is the path of the node's server.properties.
	Properties string
	// LogFile is where Kafka writes its log; it is rotated and never takes more than 50 MiB. Empty: standard output.
	LogFile string
	JVM     nodespec.JVM
}

// Ensure gives the installation of a release, fetching and preparing what is missing; the second time it only looks.
// Several processes may ask at once: one does the work and the others wait. say is told, in sentences for people, what
// takes long; nil is allowed.
func (s Store) Ensure(ctx context.Context, release string, say func(format string, args ...any)) (Installation, error) {
	return Installation{}, errors.New("not yet")
}

// Command is the process of one node, not yet started. Its standard output carries what the JVM itself has to say, and
// Kafka's log where no file is given.
func (i Installation) Command(p ProcessSettings) *exec.Cmd { return nil }
