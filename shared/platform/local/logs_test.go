package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/shared/platform/local"
)

func TestOpenLog_KeepsOneOldLogAndNeverMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	for range 3 {
		log, err := local.OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Truncate(11 << 20); err != nil {
			t.Fatal(err)
		}
		log.Close()
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}
