package kafkadist_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkadist/kafkatest"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// The life of a store, with the real Maven and the real Kafka: three agents meet an empty one, then someone damages it.
func TestEnsure(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Maven and Kafka")
	}
	store := kafkadist.Store{Dir: t.TempDir()}
	release := kafkaversion.Default().Release

	var said log
	var agents sync.WaitGroup
	for range 3 {
		agents.Go(func() { ensure(t, store, release, &said) })
	}
	agents.Wait()
	if got := said.count("fetching"); got != 1 {
		t.Errorf("three agents at once fetched %d times, want once", got)
	}
	if got := said.count("building"); got != 1 {
		t.Errorf("three agents at once built %d archives, want one", got)
	}

	said = log{}
	installation := ensure(t, store, release, &said)
	if len(said.lines) != 0 {
		t.Errorf("with everything in place it still said: %v", said.lines)
	}
	if got := loadedFromArchive(t, installation); !got {
		t.Error("the JVM does not use the start-up archive")
	}

	jar := installation.Jars[3]
	if err := os.Truncate(jar, 100); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(store.Dir, "unfinished-123")
	if err := os.Mkdir(leftover, 0o755); err != nil {
		t.Fatal(err)
	}
	installation = ensure(t, store, release, &said)
	if said.count("fetching") != 1 || size(t, jar) <= 100 {
		t.Errorf("a damaged jar was not fetched again: it has %d bytes", size(t, jar))
	}
	if got := loadedFromArchive(t, installation); !got {
		t.Error("after the jars were fetched again, the JVM does not use the start-up archive")
	}
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("what a killed process left behind is still there: %v", err)
	}
}

func TestEnsure_SaysWhatToInstall(t *testing.T) {
	for _, tt := range []struct {
		name     string
		programs map[string]string // scripts on the path
		want     string
	}{
		{"no Java", nil, "Kafka needs Java 17 or newer and none was found; install it: apt-get install openjdk-17-jre-headless maven"},
		{"an old Java", map[string]string{"java": `echo 'openjdk version "11.0.2"'`}, "is version 11; install it: apt-get install"},
		{"no Maven", map[string]string{"java": `echo 'openjdk version "21.0.1"'`}, "Maven is needed once per release of Kafka and was not found; install it: apt-get"},
		{"a Maven that fails", map[string]string{
			"java": `echo 'openjdk version "21.0.1"'`,
			"mvn":  `echo 'Could not resolve dependencies'; exit 1`,
		}, "Could not resolve dependencies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir()
			for name, script := range tt.programs {
				if err := os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("JAVA_HOME", "")
			t.Setenv("PATH", path)
			_, err := kafkadist.Store{Dir: t.TempDir()}.Ensure(t.Context(), kafkaversion.Default().Release, t.Logf)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Ensure = %v, want: %s", err, tt.want)
			}
		})
	}
}

func TestEnsure_FetchesNothingIntoASealedStore(t *testing.T) {
	path := t.TempDir()
	java := filepath.Join(path, "java")
	if err := os.WriteFile(java, []byte("#!/bin/sh\necho 'openjdk version \"21.0.1\"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", path)
	store, release := kafkadist.Store{Dir: t.TempDir(), Sealed: true}, kafkaversion.Default().Release
	want := fmt.Sprintf("Kafka %s, with a start-up archive for %s, is not in %s; what the host starts from has to bring it",
		release, java, store.Dir)
	if _, err := store.Ensure(t.Context(), release, nil); err == nil || err.Error() != want {
		t.Errorf("Ensure = %v, want: %s", err, want)
	}
}

// An image for machines of another kind is made where neither Java nor Maven has to fit.
func TestFetch_PutsNothingButJarsIntoTheStore(t *testing.T) {
	installed := kafkatest.Installed(t, kafkaversion.Default().Release)
	store := kafkadist.Store{Dir: t.TempDir()}
	jars := filepath.Join(store.Dir, installed.Release, "jars")
	if err := os.CopyFS(jars, os.DirFS(filepath.Dir(installed.Jars[0]))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	if err := store.Fetch(t.Context(), installed.Release, t.Logf); err != nil {
		t.Errorf("jars that are there are fetched again: %v", err)
	}
	if err := os.Truncate(filepath.Join(jars, filepath.Base(installed.Jars[3])), 100); err != nil {
		t.Fatal(err)
	}
	if err := store.Fetch(t.Context(), installed.Release, t.Logf); err == nil || !strings.Contains(err.Error(), "Maven is needed") {
		t.Errorf("a damaged jar is taken for a whole one: %v", err)
	}
	there, err := filepath.Glob(filepath.Join(store.Dir, installed.Release, "*"))
	if err != nil || !slices.Equal(there, []string{jars}) {
		t.Errorf("beside the jars there are %v (%v)", there, err)
	}
}

func TestEnsure_RefusesAReleaseThatIsNotPinned(t *testing.T) {
	_, err := kafkadist.Store{Dir: t.TempDir()}.Ensure(t.Context(), "3.9.0", t.Logf)
	if err == nil || !strings.Contains(err.Error(), "3.9.0 is not a release that Millrace runs") {
		t.Errorf("Ensure = %v", err)
	}
}

func TestCommand_LogsWhereItIsTold(t *testing.T) {
	for _, release := range []string{kafkaversion.All()[0].Release, kafkaversion.Default().Release} {
		t.Run(release, func(t *testing.T) {
			installation := kafkatest.Installed(t, release)
			const complaint = "no-such.properties"
			settings := kafkadist.ProcessSettings{Properties: complaint, JVM: nodespec.JVM{HeapMiB: 128, Lean: true}}

			if printed := run(installation.Command(settings)); !strings.Contains(printed, complaint) {
				t.Errorf("it printed: %s", printed)
			}
			settings.LogFile = filepath.Join(t.TempDir(), "kafka.log")
			printed := run(installation.Command(settings))
			logged, err := os.ReadFile(settings.LogFile)
			if err != nil || !strings.Contains(string(logged), complaint) || strings.Contains(printed, complaint) {
				t.Errorf("it logged %s (%v) and printed %s", logged, err, printed)
			}
		})
	}
}

func TestCommand_IsUnderstoodByJava(t *testing.T) {
	installation := kafkatest.Installed(t, kafkaversion.Default().Release)
	for _, jvm := range []nodespec.JVM{{HeapMiB: 256, Lean: true}, {HeapMiB: 1024}} {
		cmd := installation.Command(kafkadist.ProcessSettings{Properties: "none", JVM: jvm})
		flags := cmd.Args[1:slices.Index(cmd.Args, "kafka.Kafka")]
		out, err := exec.CommandContext(t.Context(), cmd.Path, append(flags, "-version")...).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("warning")) {
			t.Errorf("with %+v Java says: %v\n%s", jvm, err, out)
		}
	}
}

// loadedFromArchive asks the JVM itself where Kafka's main class comes from.
func loadedFromArchive(t *testing.T, i kafkadist.Installation) bool {
	t.Helper()
	cmd := i.Command(kafkadist.ProcessSettings{Properties: "none", JVM: nodespec.JVM{HeapMiB: 128, Lean: true}})
	place := filepath.Join(t.TempDir(), "classes")
	cmd.Args = slices.Insert(cmd.Args, slices.Index(cmd.Args, "-cp"), "-Xlog:class+load:file="+place)
	run(cmd)
	classes, err := os.ReadFile(place)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(classes), "kafka.Kafka source: shared objects file (top)")
}

// run gives all that a command prints. Kafka without its properties ends at once.
func run(cmd *exec.Cmd) string {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err.Error()
	}
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	return out.String()
}

func ensure(t *testing.T, s kafkadist.Store, release string, said *log) kafkadist.Installation {
	i, err := s.Ensure(t.Context(), release, said.say)
	if err != nil {
		t.Error(err)
	}
	return i
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// log remembers what was said.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) count(start string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.HasPrefix(line, start) {
			n++
		}
	}
	return n
}
