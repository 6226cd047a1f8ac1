package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/harness"
)

// A broker that starts on an emptied volume would be taken for a replica that is merely behind, and could be elected with
// nothing in its log.
func TestLostVolume_IsNeverFormattedAgain(t *testing.T) {
	m := harness.StartMillrace(t)
	arn := m.CreateCluster(t, "orders", harness.Small)
	m.WaitUntilActive(t, arn)
	m.Down()
	volume := volumeOfBroker(t, m, 1)
	if err := os.RemoveAll(volume); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(volume, 0o700); err != nil {
		t.Fatal(err)
	}

	m.Up()
	harness.Until(t, "the agent says why it leaves the volume alone", 3*time.Minute, func() (bool, string) {
		status := m.Command("status")
		return strings.Contains(status, "stopped") && strings.Contains(status, "the volume is not formatted"), status
	})
	left, err := os.ReadDir(volume)
	if err != nil || len(left) > 0 {
		t.Errorf("the volume holds %v (%v)", left, err)
	}
}

func volumeOfBroker(t *testing.T, m *harness.Millrace, id int) string {
	t.Helper()
	volumes, err := filepath.Glob(filepath.Join(m.Data, "volumes", fmt.Sprintf("vol-*-%d", id)))
	if err != nil || len(volumes) != 1 {
		t.Fatalf("volumes of broker %d: %v, %v", id, volumes, err)
	}
	return volumes[0]
}
