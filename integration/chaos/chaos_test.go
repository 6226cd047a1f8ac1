package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/load"
)

func TestPlan_IsTheSameForTheSameSeed(t *testing.T) {
	tell := func(seed uint64) string {
		p := newPlan(seed, brokers)
		var told []string
		for range 100 {
			told = append(told, p.next().String())
		}
		return strings.Join(told, "\n")
	}
	seven := tell(7)
	if again := tell(7); again != seven {
		t.Errorf("first:\n%s\nthen:\n%s", seven, again)
	}
	if tell(8) == seven {
		t.Error("it is the same for every seed")
	}
}

func TestPlan_LetsEverythingGoWrongInTurn(t *testing.T) {
	for seed := range uint64(20) {
		p := newPlan(seed, brokers)
		met := map[kind]int{}
		for range bag {
			m := p.next()
			met[m.Kind]++
			if m.Broker < 1 || m.Broker > brokers || m.Lasts < time.Second || m.Lasts > 30*time.Second+fullFor {
				t.Errorf("seed %d: %+v", seed, m)
			}
		}
		for _, k := range bag {
			if met[k] == 0 {
				t.Errorf("seed %d: never in a bag: %s", seed, k)
			}
		}
	}
}

func TestVerdict_NamesWhatWasReplacedWithoutNeed(t *testing.T) {
	replace := func(id, host string) heal {
		h := heal{NodeID: 2, Condition: "host dead", Remedy: "replace", Host: host}
		h.Operation.ID = id
		return h
	}
	restart := replace("op", "host-2")
	restart.Remedy = "restart"
	failed := replace("op", "host-2")
	failed.Operation.Failure = &struct{ Message string }{"no capacity"}
	for _, tt := range []struct {
		name  string
		heals []heal
		lost  []string
		want  string // replaced, needless, failures
	}{
		{"nothing happened", nil, nil, "0 0 0"},
		{"a lost host was replaced", []heal{replace("op", "host-2")}, []string{"host-2"}, "1 0 0"},
		{"a host that lived was replaced", []heal{replace("op", "host-2")}, nil, "0 1 0"},
		{"a lost host was replaced twice", []heal{replace("op-1", "host-2"), replace("op-2", "host-2")}, []string{"host-2"}, "1 1 0"},
		{"a lost host was not replaced", nil, []string{"host-2"}, "0 0 1"},
		{"a restart is no replacement", []heal{restart}, nil, "0 0 0"},
		{"an operation failed", []heal{failed}, []string{"host-2"}, "1 0 1"},
	} {
		var v verdict
		lost := map[string]bool{}
		for _, host := range tt.lost {
			lost[host] = true
		}
		v.judgeHeals(tt.heals, lost)
		if got := fmt.Sprint(v.Replaced, len(v.Needless), len(v.Failures)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestVerdict_IsFineOnlyWithoutAnyComplaint(t *testing.T) {
	fine := verdict{Faults: 3, Report: load.Report{Acknowledged: 1000}}
	if !fine.fine() {
		t.Error("it is not fine where all is")
	}
	for name, spoil := range map[string]func(*verdict){
		"nothing went wrong":      func(v *verdict) { v.Faults = 0 },
		"nothing was written":     func(v *verdict) { v.Acknowledged = 0 },
		"a record lost":           func(v *verdict) { v.Lost = 1 },
		"reordered":               func(v *verdict) { v.Reordered = 1 },
		"duplicated":              func(v *verdict) { v.Duplicated = 1 },
		"delivered wrongly":       func(v *verdict) { v.Misdelivered = 1 },
		"given up":                func(v *verdict) { v.Report.Failures = []error{errors.New("no")} },
		"five seconds of nothing": func(v *verdict) { v.EmptySlots = 1 },
		"a needless replacement":  func(v *verdict) { v.Needless = []string{"host-2"} },
		"not in order":            func(v *verdict) { v.Failures = []string{"no"} },
	} {
		v := fine
		spoil(&v)
		if v.fine() {
			t.Errorf("%s: it is fine", name)
		}
	}
}

func TestSubject_CleansUpAfterWhatIsFatal(t *testing.T) {
	var log bytes.Buffer
	s := &subject{ctx: t.Context(), dir: t.TempDir(), log: &log}
	var done []string
	s.run(func() {
		s.Cleanup(func() { done = append(done, "first") })
		s.Cleanup(func() {
			done = append(done, "second")
			s.Fatal("not even this")
		})
		s.Fatalf("%d is too many", 9)
		done = append(done, "what comes after a fatal failure")
	})
	if !slices.Equal(done, []string{"second", "first"}) || !slices.Equal(s.failed(), []string{"9 is too many", "not even this"}) {
		t.Errorf("done %q, failed %q", done, s.failed())
	}
	if !strings.Contains(log.String(), "9 is too many") {
		t.Errorf("logged %q", log.String())
	}
}

func TestDisk_IsFilledToTheLastByteAndFreedAgain(t *testing.T) {
	dir := t.TempDir()
	if err := mountDisk(dir, 1); err != nil {
		t.Skip(err) // only root may; the soak does without
	}
	t.Cleanup(func() {
		if err := unmountDisk(dir); err != nil {
			t.Error(err)
		}
	})
	if err := fillDisk(dir); err != nil {
		t.Fatal(err)
	}
	another := filepath.Join(dir, "another")
	if err := os.WriteFile(another, []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("there is room: %v", err)
	}
	if err := freeDisk(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(another, []byte("x"), 0o600); err != nil {
		t.Error(err)
	}
}

// programs builds everything that a soak needs, as it is shipped.
func programs(t *testing.T) (dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a whole cluster")
	}
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", ".", "../../cmd/millrace", "../../cmd/broker-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// soakFor is a soak whose temporary directory is the test's.
func soakFor(t *testing.T, ctx context.Context, bin string, flags ...string) (soak *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	soak = exec.CommandContext(ctx, filepath.Join(bin, "chaos"), append([]string{"-bin", bin}, flags...)...)
	soak.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	soak.Cancel = func() error { return soak.Process.Signal(syscall.SIGINT) } // as Ctrl-C
	soak.WaitDelay = 2 * time.Minute
	soak.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT} // where the test itself is ended
	out = &bytes.Buffer{}
	soak.Stdout, soak.Stderr = out, out
	return soak, out
}

// temporary is where a soak has everything, and has nothing when it is over.
func temporary(soak *exec.Cmd) string {
	return strings.TrimPrefix(soak.Env[len(soak.Env)-1], "TMPDIR=")
}

func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	commandLines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commandLines {
		if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, []byte(dir)) {
			t.Errorf("%s is left behind: %s", file, bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
		}
	}
}

func TestChaos_ForThreeMinutesGivesNobodyReasonToComplain(t *testing.T) {
	bin := programs(t)
	soak, out := soakFor(t, t.Context(), bin, "-minutes", "3", "-every", "20s", "-seed", "4")
	err := soak.Run()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("chaos: %v", err)
	}
	wantNothingLeft(t, temporary(soak))
}

func TestChaos_LeavesNothingBehindWhenItIsInterrupted(t *testing.T) {
	bin := programs(t)
	ctx, interrupt := context.WithCancel(t.Context())
	soak, out := soakFor(t, ctx, bin, "-minutes", "5", "-every", "1s", "-seed", "5")
	defer interrupt()
	seen := &seenText{out: out, text: "in order again", seen: interrupt}
	soak.Stdout, soak.Stderr = seen, seen
	err := soak.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitNoVerdict || !strings.Contains(out.String(), "nothing is left behind") {
		t.Errorf("it ended with %v:\n%s", err, out)
	}
	dir := temporary(soak)
	wantNothingLeft(t, dir)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// seenText tells when a text was written. It has no method but Write, so that whoever copies to it can't go round that.
type seenText struct {
	out  *bytes.Buffer
	text string
	seen func()
}

func (s *seenText) Write(p []byte) (int, error) {
	n, err := s.out.Write(p)
	if strings.Contains(s.out.String(), s.text) {
		s.seen()
	}
	return n, err
}
