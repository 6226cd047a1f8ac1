package kafkadist

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed pom.xml
var pom []byte

// resolve fetches the jars of a release and puts them into place. A damaged file in the user's Maven repository would
// come out damaged every time, so the second attempt uses an empty repository of its own.
func (s Store) resolve(ctx context.Context, release string, wanted []jar) error {
	work, err := s.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	jars := filepath.Join(work, "jars")
	if err := runMaven(ctx, work, release, jars); err != nil {
		return err
	}
	if err := verify(jars, wanted); err != nil {
		if err := os.RemoveAll(jars); err != nil {
			return err
		}
		if err := runMaven(ctx, work, release, jars, "-Dmaven.repo.local="+filepath.Join(work, "repository")); err != nil {
			return err
		}
		if err := verify(jars, wanted); err != nil {
			return err
		}
	}
	removeArchives(filepath.Join(s.Dir, release)) // they hold the times of the jars they were made from
	return replaceDir(jars, filepath.Join(s.Dir, release, "jars"), filepath.Join(work, "replaced"))
}

// replaceDir moves a finished directory to its place and what was there aside. A process that dies in between leaves
// nothing in the place, which the next one sees.
func replaceDir(finished, place, aside string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if err := os.Rename(place, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(finished, place)
}

// runMaven copies all jars of a release into the directory jars.
func runMaven(ctx context.Context, work, release, jars string, options ...string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("Maven is needed once per release of Kafka and was not found; install it: %s", installCommand) //nolint:staticcheck // a name
	}
	project := filepath.Join(work, "pom.xml")
	if err := os.WriteFile(project, pom, 0o644); err != nil {
		return err
	}
	major, _, _ := strings.Cut(release, ".")
	args := append([]string{
		"--batch-mode", "--quiet", "-Dstyle.color=never", "--file", project,
		"--activate-profiles", "kafka-" + major, "-Dkafka.release=" + release,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=" + jars,
	}, options...)
	out, err := exec.CommandContext(ctx, mvn, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w:\n%s", mvn, err, lastLines(string(out), 15))
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
