package kafkadist

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/shared/kafkaversion"
)

var update = flag.Bool("update", false, "fetch every release and write its list of jars again")

func TestEveryReleaseIsPinned(t *testing.T) {
	for _, version := range kafkaversion.All() {
		if *update {
			pin(t, version.Release)
		}
		jars, err := pinned(version.Release)
		if err != nil {
			t.Error(err)
		}
		if len(jars) < 40 {
			t.Errorf("Kafka %s consists of %d jars only", version.Release, len(jars))
		}
	}
}

// pin writes the list of a release from what Maven gives today.
func pin(t *testing.T, release string) {
	t.Helper()
	work := t.TempDir()
	dir := filepath.Join(work, "jars")
	if err := runMaven(t.Context(), work, release, dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list bytes.Buffer
	for _, e := range entries {
		j, err := measure(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%s %d %s\n", j.sha256, j.size, j.name)
	}
	if err := os.WriteFile(filepath.Join("releases", release+".sha256"), list.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMajorVersion(t *testing.T) {
	for text, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`: 17,
		`openjdk version "21" 2023-09-19`:      21,
		`java version "1.8.0_391"`:             1,
		"command not understood":               0,
	} {
		if got := majorVersion(text); got != want {
			t.Errorf("majorVersion(%q) = %d, want %d", text, got, want)
		}
	}
}
