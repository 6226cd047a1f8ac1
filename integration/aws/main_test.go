// Package aws holds the promises of a whole deployment to AWS: the synthesised template, the built functions, real agents and
// real Kafka, with moto and small stand-ins in the place of AWS. `go test -short` skips them.
package aws

import (
	"os"
	"testing"

	"github.com/millrace/millrace/integration/aws/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
