// Command setup puts on this machine what trying and testing Millrace needs besides Go: Java, Maven, the aws command line in a
// virtual environment of this checkout, and Kafka's software. What is there already is left alone, so it is quick the second
// time.
//
//	go run ./cmd/setup demo    for `make demo`: one Kafka release
//	go run ./cmd/setup test    for `make test`: every Kafka release that Millrace knows, Node.js, moto and cfn-lint; as root also
//	                           an emulator and a kernel, for the rehearsal of what happens on a host's disks
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/millrace/millrace/integration/host/kernel"
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
	forTests := args[0] == "test"
	if err := ensurePackages(ctx, forTests); err != nil {
		return err
	}
	if err := ensurePrograms(ctx, forTests); err != nil {
		return err
	}
	if forTests && os.Getuid() == 0 {
		if err := kernel.Ensure(ctx, say); err != nil {
			return err
		}
	}
	releases := []string{kafkaversion.Default().Release}
	if forTests {
		releases = kafkaversion.Releases()
	}
	return ensureKafka(ctx, releases)
}

// A need is a program that comes with a package of Debian's.
type need struct {
	what, debianPackage string
	there               func(context.Context) bool
	who                 whose
}

// whose need it is: everybody's, that of all tests, or that of tests which only root can run.
type whose int

const (
	everybody whose = iota
	tests
	testsOfRoot
)

var needs = []need{
	{"Java 17 or newer", "openjdk-17-jre-headless", works("java", "-version"), everybody},
	{"Maven", "maven", works("mvn", "--version"), everybody},
	{"Python's venv", "python3-venv", works("python3", "-c", "import ensurepip, venv"), everybody},
	{"Node.js", "nodejs", works("node", "--version"), tests}, // the deployment is described in Go, by a library that runs on Node
	{"XFS's tools", "xfsprogs", works("mkfs.xfs", "-V"), testsOfRoot},
	{"LVM", "lvm2", works("lvm", "help"), testsOfRoot},
	{"an emulator of machines", "qemu-system-x86", isEmulated, testsOfRoot},
}

// isEmulated tells whether the rehearsal has its emulator, or there is none of it on this machine's architecture.
func isEmulated(ctx context.Context) bool {
	return runtime.GOARCH != kernel.Architecture || works("qemu-system-x86_64", "--version")(ctx)
}

func works(name string, args ...string) func(context.Context) bool {
	return func(ctx context.Context) bool { return exec.CommandContext(ctx, name, args...).Run() == nil }
}

// ensurePackages installs what is missing where it may, and otherwise says which line to run.
func ensurePackages(ctx context.Context, forTests bool) error {
	most := everybody
	if forTests {
		most = tests
		if os.Getuid() == 0 {
			most = testsOfRoot
		}
	}
	var missing, packages []string
	for _, n := range needs {
		if n.who <= most && !n.there(ctx) {
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

// What Python programs are needed, by version: the aws command line for the demo; for tests also moto, which stands in for
// AWS, and cfn-lint. The virtual environment is made again when they change.
const (
	forTheDemo  = "cmd/demo/requirements.txt"
	forTheTests = "integration/requirements.txt" // with those of the demo
	environment = ".venv"
)

// ensurePrograms installs what Python programs we need into a virtual environment of this checkout.
func ensurePrograms(ctx context.Context, forTests bool) error {
	demo, err := os.ReadFile(forTheDemo)
	if err != nil {
		return fmt.Errorf("run this from the top of the checkout: %w", err)
	}
	all, err := os.ReadFile(forTheTests)
	if err != nil {
		return err
	}
	all = append(all, demo...)
	stamp := filepath.Join(environment, "requirements.txt") // written last: an environment without it is not complete
	installed, err := os.ReadFile(stamp)
	if err == nil && (string(installed) == string(all) || !forTests && string(installed) == string(demo)) {
		return nil
	}
	requirements, wanted := forTheDemo, demo
	if forTests {
		requirements, wanted = forTheTests, all
	}
	say("installing what %s names into %s", requirements, environment)
	if err := quietly(ctx, "python3", "-m", "venv", "--clear", environment); err != nil {
		return err
	}
	pip := filepath.Join(environment, "bin", "pip")
	if err := quietly(ctx, pip, "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements); err != nil {
		return err
	}
	return os.WriteFile(stamp, wanted, 0o600)
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
