package kafkadist

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/millrace/millrace/shared/nodespec"
)

// ProcessSettings are what differs from one Kafka process to the next.
type ProcessSettings struct {
	// Properties is the path of the node's server.properties.
	Properties string
	// LogFile is where Kafka writes its log; it is rotated and never takes more than 50 MiB. Empty: standard output.
	LogFile string
	JVM     nodespec.JVM
}

// Command is the process of one node, not yet started. Its standard output and error carry what the JVM itself has to
// say, and Kafka's log where no file is given. SIGTERM is a clean shutdown.
func (i Installation) Command(p ProcessSettings) *exec.Cmd {
	args := []string{"-XX:SharedArchiveFile=" + i.Archive}
	return i.command(p, args)
}

func (i Installation) command(p ProcessSettings, args []string) *exec.Cmd {
	args = append(args, memoryAndCompiler(p.JVM)...)
	args = append(args, i.loggingFlags(p.LogFile)...)
	args = append(args,
		// A broker that goes on after it ran out of memory has lost threads that nobody restarts.
		"-XX:+ExitOnOutOfMemoryError",
		"-Djava.awt.headless=true",
		"-cp", strings.Join(i.Jars, string(os.PathListSeparator)),
		"kafka.Kafka", p.Properties)
	cmd := exec.Command(i.Java, args...) //nolint:noctx // it outlives whoever starts it
	cmd.Env = append(os.Environ(), "MALLOC_ARENA_MAX=2")
	return cmd
}

func memoryAndCompiler(jvm nodespec.JVM) []string {
	if jvm.Lean {
		return []string{
			"-Xms32m", fmt.Sprintf("-Xmx%dm", jvm.HeapMiB), "-Xss256k",
			"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
			// Not moving the archive spares each start the work, and lets all nodes of a machine share its pages.
			"-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0",
			"-Xlog:disable",
		}
	}
	return []string{
		// The heap never grows or shrinks: a broker's memory beyond it belongs to the page cache.
		fmt.Sprintf("-Xms%dm", jvm.HeapMiB), fmt.Sprintf("-Xmx%dm", jvm.HeapMiB),
		"-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
	}
}
