// Command setup puts on this machine what trying and testing Millrace needs besides Go: Java, Maven, Node.js, the aws command
// line and moto in a virtual environment of this checkout, and Kafka's software. What is there already is left alone, so it
// is quick the second time.
//
//	go run ./cmd/setup demo    for `make demo`: one Kafka release
//	go run ./cmd/setup test    for `make test`: every Kafka release that Millrace knows
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaversion"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || (args[0] != "demo" && args[0] != "test") {
		return errors.New("usage: go run ./cmd/setup demo|test")
	}
	if err := ensurePackages(ctx); err != nil {
		return err
	}
	if err := ensureCommandLine(ctx); err != nil {
		return err
	}
	releases := []string{kafkaversion.Default().Release}
	if args[0] == "test" {
		releases = allReleases()
	}
	return ensureKafka(ctx, releases)
}

// A need is a program that comes with a package of Debian's.
type need struct {
	what, debianPackage string
	there               func(context.Context) bool
}

var needs = []need{
	{"Java 17 or newer", "openjdk-17-jre-headless", works("java", "-version")},
	{"Maven", "maven", works("mvn", "--version")},
	{"Python's venv", "python3-venv", works("python3", "-c", "import ensurepip, venv")},
	{"Node.js", "nodejs", works("node", "--version")}, // the deployment is described in Go, by a library that runs on Node
}

func works(name string, args ...string) func(context.Context) bool {
	return func(ctx context.Context) bool { return exec.CommandContext(ctx, name, args...).Run() == nil }
}

// ensurePackages installs what is missing where it may, and otherwise says which line to run.
func ensurePackages(ctx context.Context) error {
	var missing, packages []string
	for _, n := range needs {
		if !n.there(ctx) {
			missing = append(missing, n.what)
			packages = append(packages, n.debianPackage)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := append([]string{"apt-get", "install", "--yes", "--no-install-recommends"}, packages...)
	if os.Getuid() != 0 || exec.CommandContext(ctx, "apt-get", "--version").Run() != nil {
		return fmt.Errorf("%s missing; run: sudo %s", strings.Join(missing, ", "), strings.Join(install, " "))
	}
	say("installing %s", strings.Join(packages, ", "))
	if err := quietly(ctx, "apt-get", "update"); err != nil {
		return err
	}
	return quietly(ctx, install[0], install[1:]...)
}

// requirements pins the aws command line, moto (which stands in for AWS in tests) and cfn-lint; the virtual environment is
// made again when they change.
const (
	requirements = "integration/requirements.txt"
	environment  = ".venv"
)

// ensureCommandLine installs what Python programs we need into a virtual environment of this checkout.
func ensureCommandLine(ctx context.Context) error {
	wanted, err := os.ReadFile(requirements)
	if err != nil {
		return fmt.Errorf("run this from the top of the checkout: %w", err)
	}
	stamp := filepath.Join(environment, "requirements.txt") // written last: an environment without it is not complete
	if installed, err := os.ReadFile(stamp); err == nil && string(installed) == string(wanted) {
		return nil
	}
	say("installing the aws command line, moto and cfn-lint into %s", environment)
	if err := quietly(ctx, "python3", "-m", "venv", "--clear", environment); err != nil {
		return err
	}
	pip := filepath.Join(environment, "bin", "pip")
	if err := quietly(ctx, pip, "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements); err != nil {
		return err
	}
	return os.WriteFile(stamp, wanted, 0o600)
}

func allReleases() []string {
	var releases []string
	for _, v := range kafkaversion.All() {
		if !slices.Contains(releases, v.Release) {
			releases = append(releases, v.Release)
		}
	}
	return releases
}

func ensureKafka(ctx context.Context, releases []string) error {
	store, err := kafkadist.UserStore()
	if err != nil {
		return err
	}
	for _, release := range releases {
		if _, err := store.Ensure(ctx, release, say); err != nil {
			return fmt.Errorf("put Kafka %s on this machine: %w", release, err)
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("setup: "+format+"\n", args...) }

// quietly runs a command whose output only matters when it fails.
func quietly(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, output)
	}
	return nil
}
