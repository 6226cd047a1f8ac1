package local_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/local"
)

func openPlatform(t *testing.T, dir string) *local.Platform {
	t.Helper()
	p, err := local.Open(local.Config{Layout: local.Layout{Dir: dir}, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDataDirectory_RemovesWhatItHasMadeAndNothingElse(t *testing.T) {
	layout := local.Layout{Dir: filepath.Join(t.TempDir(), "data")}
	if exists, err := layout.Exists(); err != nil || exists {
		t.Errorf("before anything is there: %v, %v", exists, err)
	}
	p := openPlatform(t, layout.Dir)
	if err := layout.WriteMailboxEndpoint("127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	if err := layout.Announce(local.Running{PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if exists, err := layout.Exists(); err != nil || !exists {
		t.Errorf("after it was opened: %v, %v", exists, err)
	}
	if foreign, err := layout.Foreign(); err != nil || len(foreign) > 0 {
		t.Errorf("it takes %v for somebody else's, %v", foreign, err)
	}

	notes := filepath.Join(layout.Dir, "notes.txt")
	if err := os.WriteFile(notes, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := layout.Remove(); err != nil || !slices.Equal(kept, []string{"notes.txt"}) {
		t.Errorf("kept %v, %v", kept, err)
	}
	if entries, err := os.ReadDir(layout.Dir); err != nil || len(entries) != 1 {
		t.Errorf("%v is left, %v", entries, err)
	}
}

func TestDataDirectory_AnnouncesOnlyTheLiving(t *testing.T) {
	layout := local.Layout{Dir: filepath.Join(t.TempDir(), "data")}
	p := openPlatform(t, layout.Dir)
	if err := layout.Announce(local.Running{PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if r, err := layout.Running(); err != nil || r.PID != os.Getpid() {
		t.Errorf("while it runs: %+v, %v", r, err)
	}
	if err := p.Close(); err != nil { // and no Depart: it crashed
		t.Fatal(err)
	}
	if r, err := layout.Running(); !fault.Is(err, fault.NotFound) {
		t.Errorf("after a crash: %+v, %v", r, err)
	}
	defer openPlatform(t, layout.Dir).Close()
	if r, err := layout.Running(); !fault.Is(err, fault.NotFound) {
		t.Errorf("while the next one starts: %+v, %v", r, err)
	}
}

// A number in a file may have become that of another process. The one here is such a stranger: it lives, it is announced,
// the directory is locked, and still it is not the control plane.
func TestStop_NeverSignalsAStranger(t *testing.T) {
	layout := local.Layout{Dir: filepath.Join(t.TempDir(), "data")}
	defer openPlatform(t, layout.Dir).Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stranger := exec.CommandContext(ctx, "sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = stranger.Wait(); close(ended) }()
	if err := layout.Announce(local.Running{PID: stranger.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Stop(); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	select {
	case <-ended:
		t.Error("the stranger was ended")
	default:
	}
	cancel()
	<-ended
}

func TestStop_SaysThatNothingRuns(t *testing.T) {
	layout := local.Layout{Dir: filepath.Join(t.TempDir(), "data")}
	if _, err := layout.Stop(); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_RemovesWhatAKilledControlPlaneHasNotWrittenWhole(t *testing.T) {
	dir := t.TempDir()
	open := func() {
		t.Helper()
		if err := openPlatform(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
	}
	open()
	half := []string{filepath.Join(dir, ".new-1"), filepath.Join(dir, "volumes", ".new-2")}
	for _, file := range half {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("10"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open()
	for _, file := range half {
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
