package brokeragent

import (
	"os"
	"path/filepath"
	"testing"
)

// The logs in testdata are Kafka's own, shortened: stack traces to two frames, and the lines before the first error.
func TestTellingLine_NamesTheCause(t *testing.T) {
	for _, tt := range []struct {
		name, log, output string // files in testdata, or none
		want              string
	}{
		{"a taken port, Kafka 4", "port-taken-4.1.2.log", "", "Socket server failed to bind to 127.77.0.1:9092: Address already in use."},
		{"a taken port, Kafka 3", "port-taken-3.9.1.log", "", "Socket server failed to bind to 127.77.0.1:9092: Address already in use."},
		{"a full disk", "disk-full.log", "", "Error while writing the Quorum status from the file /volume/__cluster_metadata-0/quorum-state: No space left on device"},
		{"a property out of range", "wrong-property.log", "", "Invalid value 0 for configuration num.io.threads: Value must be at least 1"},
		{"no controller answers", "no-quorum.log", "", "[BrokerLifecycleManager id=1] Shutting down because we were unable to register with the controller quorum."},
		{"a missing keystore", "no-keystore.log", "", "Unable to read file /nope/keystore.pem"},
		{"a volume that is not formatted", "not-formatted.log", "", "No readable meta.properties files found."},
		{"a heap too small for any JVM", "", "heap-too-small.out", "Too small maximum heap"},
		{"an option the JVM does not know", "", "unknown-option.out", "Unrecognized VM option 'Nonsense'"},
		{"missing software", "", "no-main-class.out", "Caused by: java.lang.ClassNotFoundException: kafka.Nope"},
		{"a heap too small for Kafka", "out-of-memory.log", "out-of-memory.out", "Terminating due to java.lang.OutOfMemoryError: Java heap space"},
		{"nothing was said", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tellingLine(sample(t, tt.log), sample(t, tt.output)); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	if name == "" {
		return ""
	}
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
