package aws

import (
	"testing"
	"time"

	"github.com/millrace/millrace/integration/aws/harness"
	kafka "github.com/millrace/millrace/integration/harness"
)

func TestZZ(t *testing.T) {
	d := harness.Start(t)
	key := d.IssueKey(d.Admin(), "admin")
	_ = d.CreateCluster(key, "orders", 3)
	kafka.Until(t, "events", time.Minute, func() (bool, string) { return len(d.Events()) > 0, "" })
}
