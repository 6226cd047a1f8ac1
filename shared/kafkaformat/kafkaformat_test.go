package kafkaformat_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/kafkaformat"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

var broker = kafkaformat.Node{
	Identity: kafkaformat.Identity{ClusterID: "4L6g3nShT-eMCtK--X86sw", NodeID: 3, DirectoryID: "MkU3OEVBNTcwNTJENDM2Qg"},
	Role:     nodespec.Broker,
}

var controller = kafkaformat.Node{
	Identity: kafkaformat.Identity{ClusterID: "4L6g3nShT-eMCtK--X86sw", NodeID: 1001, DirectoryID: "MkU3OEVBNTcwNTJENDM2Qg"},
	Role:     nodespec.Controller,
	Features: kafkaversion.Default().Features,
}

func TestFormat_GivesTheDirectoryAnIdentity(t *testing.T) {
	for _, node := range []kafkaformat.Node{broker, controller} {
		dir := t.TempDir()
		if err := kafkaformat.Format(dir, node); err != nil {
			t.Fatal(err)
		}
		got, ok, err := kafkaformat.Read(dir)
		if err != nil || !ok || got != node.Identity {
			t.Errorf("Read = %v, %v, %v; want %v", got, ok, err, node.Identity)
		}
	}
}

func TestFormat_RefusesADirectoryThatHoldsAnything(t *testing.T) {
	for _, name := range []string{"orders-0", "__cluster_metadata-0", "meta.properties", ".hidden"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			touch(t, dir, name)
			err := kafkaformat.Format(dir, controller)
			if !errors.Is(err, kafkaformat.ErrNotEmpty) || !strings.Contains(err.Error(), name) {
				t.Errorf("Format = %v, want ErrNotEmpty that names %s", err, name)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("something was written: %v", entries)
			}
		})
	}
}

func TestFormat_RefusesADirectoryThatIsMissing(t *testing.T) {
	if err := kafkaformat.Format(filepath.Join(t.TempDir(), "not-mounted"), broker); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Format = %v, want that the directory does not exist", err)
	}
}

func TestFormat_TakesUpWhatACrashLeftBehind(t *testing.T) {
	for _, left := range [][]string{
		{"lost+found"},
		{"bootstrap.checkpoint"},
		{"lost+found", "bootstrap.checkpoint", "meta.properties.millrace"},
	} {
		dir := t.TempDir()
		for _, name := range left {
			touch(t, dir, name)
		}
		if err := kafkaformat.Format(dir, controller); err != nil {
			t.Errorf("with %v: %v", left, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "bootstrap.checkpoint")); err != nil || info.Size() == 0 {
			t.Errorf("with %v: the first metadata is missing: %v", left, err)
		}
	}
}

func TestFormat_RefusesANodeThatCouldNotStart(t *testing.T) {
	for name, change := range map[string]func(*kafkaformat.Node){
		"no role":                             func(n *kafkaformat.Node) { n.Role = "" },
		"a controller without metadata":       func(n *kafkaformat.Node) { n.Features = nil },
		"an id that is no base64":             func(n *kafkaformat.Node) { n.ClusterID = "my cluster" },
		"an id of the wrong length":           func(n *kafkaformat.Node) { n.DirectoryID = "MkU3OEVBNTcw" },
		"an id with padding, as others do it": func(n *kafkaformat.Node) { n.DirectoryID += "==" },
	} {
		t.Run(name, func(t *testing.T) {
			node, dir := controller, t.TempDir()
			change(&node)
			if err := kafkaformat.Format(dir, node); err == nil {
				t.Error("it was formatted")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Errorf("something was written: %v", entries)
			}
		})
	}
}

func TestRead(t *testing.T) {
	const id = "cluster.id=4L6g3nShT-eMCtK--X86sw\ndirectory.id=MkU3OEVBNTcwNTJENDM2Qg\n"
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"as Kafka writes it", "#\n#Sun Nov 22 10:00:00 UTC 2026\n" + id + "version=1\nnode.id=3\n", true},
		{"of ZooKeeper's time", "version=0\nbroker.id=3\n" + id, false},
		{"without a node", "version=1\n" + id, false},
		{"without a cluster", "version=1\nnode.id=3\n", false},
		{"emptied by a full disk", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "meta.properties"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, ok, err := kafkaformat.Read(dir)
			if ok != tt.ok || (err == nil) != tt.ok || (ok && got != broker.Identity) {
				t.Errorf("Read = %v, %v, %v", got, ok, err)
			}
		})
	}
	if _, ok, err := kafkaformat.Read(t.TempDir()); ok || err != nil {
		t.Errorf("an empty directory: %v, %v, want neither an identity nor an error", ok, err)
	}
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
