package integration

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/integration/harness"
)

func TestFullDisk_TheClusterSaysWhatToDoAndRecoversOnceThereIsRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole control planes")
	}
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	mountSmallDisk(t, disk, "256m")
	m := harness.StartMillrace(t, harness.Data(filepath.Join(dir, "data")))
	w := admit(t, m, "orders", 2, 1, harness.Small)
	m.Down()
	moveTo(t, disk, volumeOfBroker(t, m, 2))
	m.Up()
	w.load.WaitUntilInSync()

	w.run(t, "a full disk is told, and left to people", func(t *testing.T, w *ward) {
		fill(t, filepath.Join(disk, "ballast"))
		w.load.WaitUntilOutOfSync()
		found := m.WaitUntilFound(t, w.arn, 2, "full", func(h harness.NodeHealth) bool { return h.Condition == "disk full" })
		if found.Remedy != "" || !strings.Contains(found.Advice, "heal limit") {
			t.Errorf("the verdict is %+v, and does not say that it is for people, and what they can do", found)
		}
		w.load.WaitUntilItFlows(time.Now()) // the other broker goes on alone

		m.Command("heal", "limit", w.arn, "--max-volume", "2000") // on this machine that is no help
		harness.Until(t, "growing the volume has failed, and it was said why", time.Minute, func() (bool, string) {
			heals := harness.Tell(w.healing.Heals())
			return strings.Contains(heals, "that disk is full: free space on it"), heals
		})
		if state := w.healing.State(); state != types.ClusterStateActive {
			t.Errorf("the cluster is %s", state)
		}

		if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
			t.Fatal(err)
		}
		w.load.WaitUntilInSync()
		w.replaced(t)
		m.WaitUntilFound(t, w.arn, 2, "well", func(h harness.NodeHealth) bool { return h.Condition == "well" })
	})
	w.discharge(t)
}

// moveTo moves a volume to another disk and leaves a link behind.
func moveTo(t *testing.T, disk, volume string) {
	t.Helper()
	for _, do := range [][]string{
		{"cp", "-a", "--sparse=always", volume + "/.", disk},
		{"rm", "-r", volume},
		{"ln", "-s", disk, volume},
	} {
		if out, err := exec.CommandContext(t.Context(), do[0], do[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", do, err, out)
		}
	}
}

// fill writes a file until the disk has no room left.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeroes, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zeroes.Close()
	if _, err := io.Copy(f, zeroes); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk does not get full: %v", err)
	}
}
