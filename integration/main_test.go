// Package integration runs whole operations: control planes as processes, real agents, real Kafka, real clients.
//
// Tests run one after the other, because each takes all that a small machine has. `go test -short` skips them.
package integration

import (
	"os"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
