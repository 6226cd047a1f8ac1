package kafkadist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/nodespec"
)

// archivePatience is how long the throw-away node may take; it needs about seven seconds on two free cores.
const archivePatience = 3 * time.Minute

// archiveName is different for each build of Java and each class path, because the JVM would ignore an archive made
// for another one, without a word and at twice the price.
func archiveName(java java, jars []string) string {
	identity := sha256.Sum256([]byte(java.Path + "\n" + java.Version + "\n" + strings.Join(jars, "\n")))
	return fmt.Sprintf("start-%x.jsa", identity[:6])
}

// buildArchive runs a node for a moment, uses it the way clusters are used, and lets the JVM write down the classes that
// took. A class that a broker needs later and this node did not is loaded from its jar, so each kind of listener and the
// way of a record from producer to consumer are gone through once.
func (s Store) buildArchive(ctx context.Context, i Installation) error {
	ctx, cancel := context.WithTimeoutCause(ctx, archivePatience, fmt.Errorf("it took longer than %s", archivePatience))
	defer cancel()
	work, err := s.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	version, ok := kafkaversion.OfRelease(i.Release)
	if !ok {
		return fmt.Errorf("no version stands for Kafka %s", i.Release)
	}
	node, err := newThrowAway(ctx, work, version.Features)
	if err != nil {
		return err
	}
	archive := filepath.Join(work, "start.jsa")
	settings := ProcessSettings{
		Properties: node.properties,
		LogFile:    filepath.Join(work, "kafka.log"),
		JVM:        nodespec.JVM{HeapMiB: 256, Lean: true},
	}
	cmd := i.command(settings, []string{"-XX:ArchiveClassesAtExit=" + archive})
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = runWhile(ctx, cmd, node.use)
	if err == nil && !exists(archive) {
		err = errors.New("the JVM wrote none")
	}
	if err != nil {
		logged, _ := os.ReadFile(settings.LogFile)
		return fmt.Errorf("%w; Kafka's last words:\n%s%s", err, lastLines(string(logged), 15), output.String())
	}
	removeArchives(i.dir)
	return os.Rename(archive, i.Archive)
}

// removeArchives removes those of earlier builds of Java or other jars. A running node keeps the one it has opened.
func removeArchives(dir string) {
	old, _ := filepath.Glob(filepath.Join(dir, "start-*.jsa"))
	for _, path := range old {
		os.Remove(path)
	}
}

// runWhile starts a process, does something with it, and returns when the process has ended: by SIGTERM after the work
// is done, by SIGKILL when the work failed or the context is over. The exit status only says which signal it was.
func runWhile(ctx context.Context, cmd *exec.Cmd, work func(context.Context) error) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	started, ended := make(chan error), make(chan struct{})
	go func() {
		started <- startAttached(cmd)
		_ = cmd.Wait() // the state below says how
		stop(fmt.Errorf("it ended early: %s", cmd.ProcessState))
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	if err := work(working); err != nil {
		cmd.Process.Kill()
		<-ended
		return errors.Join(err, context.Cause(working))
	}
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		cmd.Process.Kill()
		<-ended
		return fmt.Errorf("it does not stop: %w", context.Cause(ctx))
	}
}
