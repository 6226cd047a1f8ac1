// Package kafkadist puts Kafka's software on a machine and says how to start it.
//
// Apache Kafka comes from Maven Central by an embedded pom, once per release; every jar is checked against a checksum
// that is part of this program. From then on nothing is fetched again. The package also builds the start-up archive: the
// classes of a running broker, parsed and verified ahead of time, which halves the time a node takes to start.
package kafkadist

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Store is a directory of Kafka installations, shared by all agents of a machine.
type Store struct {
	// Dir is created where missing. Several processes may use it at once.
	Dir string
	// Sealed says that everything has to be there already, as in the image of a host without a way to the internet: what
	// is missing is an error at once, and is not fetched.
	Sealed bool
}

// UserStore is the store of the user who runs this program: kafka in $MILLRACE_CACHE, or else millrace/kafka in their cache
// directory.
func UserStore() (Store, error) {
	if cache := os.Getenv("MILLRACE_CACHE"); cache != "" {
		dir, err := filepath.Abs(filepath.Join(cache, "kafka"))
		return Store{Dir: dir}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Store{}, fmt.Errorf("find a place for Kafka's software: %w", err)
	}
	return Store{Dir: filepath.Join(cache, "millrace", "kafka")}, nil
}

// Installation is one release of Kafka, ready to start.
type Installation struct {
	// Release is the exact Apache Kafka release, such as 4.1.2.
	Release string
	// Jars are the paths of all jars in a fixed order: the start-up archive is only valid for the class path it was made with.
	Jars []string
	// Archive is the path of the start-up archive.
	Archive string
	// Java is the path of the java command.
	Java string

	dir string
}

// Ensure gives the installation of a release, fetching and preparing what is missing; the second time it only looks.
// Several processes may ask at once: one does the work and the others wait. say is told, in sentences for people, what
// takes long; nil is allowed.
//
//  1. Find Java, and look whether everything is there: that is the end of nearly every call.
//  2. Take the store's lock and look again: another process may have done the work meanwhile.
//  3. Resolve the jars by Maven and check each one.
//  4. Write the logging configuration.
//  5. Build the start-up archive by running a node for a moment.
//
// Each of 3 to 5 appears in its final place complete or not at all.
func (s Store) Ensure(ctx context.Context, release string, say func(format string, args ...any)) (Installation, error) {
	if say == nil {
		say = func(string, ...any) {}
	}
	wanted, err := pinned(release)
	if err != nil {
		return Installation{}, err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return Installation{}, err
	}
	java, err := s.findJava(ctx)
	if err != nil {
		return Installation{}, err
	}
	i := s.installation(release, wanted, java)
	if i.jarsComplete(wanted) && i.loggingComplete() && exists(i.Archive) {
		return i, nil
	}

	if s.Sealed {
		return Installation{}, fmt.Errorf("Kafka %s, with a start-up archive for %s, is not in %s; what the host starts from has to bring it", //nolint:staticcheck // a name
			release, java.Path, s.Dir)
	}

	unlock, err := s.lock(ctx, say)
	if err != nil {
		return Installation{}, err
	}
	defer unlock()
	s.removeLeftovers()
	if !i.jarsComplete(wanted) {
		say("fetching Apache Kafka %s with Maven", release)
		if err := s.resolve(ctx, release, wanted); err != nil {
			return Installation{}, fmt.Errorf("fetch Apache Kafka %s: %w", release, err)
		}
	}
	if err := i.writeLogging(); err != nil {
		return Installation{}, fmt.Errorf("write the logging configuration of Kafka %s: %w", release, err)
	}
	if !exists(i.Archive) {
		say("building the start-up archive of Kafka %s", release)
		if err := s.buildArchive(ctx, i); err != nil {
			return Installation{}, fmt.Errorf("build the start-up archive of Kafka %s: %w", release, err)
		}
	}
	return i, nil
}

// Fetch puts the jars of a release into the store, and nothing that is made for the machine it runs on: for an image of
// machines of another kind, which finish the work there by Ensure.
func (s Store) Fetch(ctx context.Context, release string, say func(format string, args ...any)) error {
	wanted, err := pinned(release)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if s.installation(release, wanted, java{}).jarsComplete(wanted) {
		return nil
	}
	unlock, err := s.lock(ctx, say)
	if err != nil {
		return err
	}
	defer unlock()
	s.removeLeftovers()
	say("fetching Apache Kafka %s with Maven", release)
	if err := s.resolve(ctx, release, wanted); err != nil {
		return fmt.Errorf("fetch Apache Kafka %s: %w", release, err)
	}
	return nil
}

// installation says where everything of a release is, or will be.
func (s Store) installation(release string, wanted []jar, java java) Installation {
	dir := filepath.Join(s.Dir, release)
	i := Installation{Release: release, Java: java.Path, dir: dir}
	for _, j := range wanted {
		i.Jars = append(i.Jars, filepath.Join(dir, "jars", j.name))
	}
	i.Archive = filepath.Join(dir, archiveName(java, i.Jars))
	return i
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
