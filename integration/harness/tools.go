package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/kafkaversion"
)

// Tools are Kafka's own command line tools, by which people look after a cluster whom Millrace knows nothing of.
type Tools struct {
	t         testing.TB
	java      string
	classPath string
	bootstrap string
	config    string // file of the client's properties
}

// Tools reach a cluster over TLS, and trust what `millrace ca` prints.
func (m *Millrace) Tools(t testing.TB, arn string) Tools {
	t.Helper()
	bootstrap, _ := m.Bootstrap(t, arn)
	if bootstrap == "" {
		t.Fatalf("cluster %s has no bootstrap string for TLS", arn)
	}
	store, err := kafkadist.UserStore()
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := store.Ensure(t.Context(), kafkaversion.Default().Release, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := toolsJar(t, store, kafka.Release)
	if err != nil {
		t.Fatalf("fetch Kafka's tools: %v", err)
	}
	dir := t.TempDir()
	authority, config := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.properties")
	properties := "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=" + authority + "\n"
	err = errors.Join(os.WriteFile(authority, []byte(m.Command("ca", arn)), 0o600), os.WriteFile(config, []byte(properties), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return Tools{
		t: t, java: kafka.Java, bootstrap: bootstrap, config: config,
		classPath: strings.Join(append(kafka.Jars, jar), string(os.PathListSeparator)),
	}
}

// Topics runs kafka-topics, and gives what it prints.
func (k Tools) Topics(args ...string) string {
	k.t.Helper()
	return k.run("org.apache.kafka.tools.TopicCommand", args)
}

// Configs runs kafka-configs.
func (k Tools) Configs(args ...string) string {
	k.t.Helper()
	return k.run("kafka.admin.ConfigCommand", args)
}

// Groups runs kafka-consumer-groups.
func (k Tools) Groups(args ...string) string {
	k.t.Helper()
	return k.run("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", args)
}

func (k Tools) run(class string, args []string) string {
	k.t.Helper()
	out, err := run(k.t.Context(), os.Environ(), k.java, append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", k.classPath, class,
		"--bootstrap-server", k.bootstrap, "--command-config", k.config,
	}, args...)...)
	if err != nil {
		k.t.Fatalf("%s %s: %v\n%s", class, strings.Join(args, " "), err, out)
	}
	return out
}

// toolsJar is the one jar that Kafka's tools need beside those of a broker. It is fetched once, into the store of Kafka's software.
func toolsJar(t testing.TB, store kafkadist.Store, release string) (path string, err error) {
	name := "kafka-tools-" + release + ".jar"
	path = filepath.Join(store.Dir, "tools", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(filepath.Dir(path), "fetching-") //nolint:usetesting // what is fetched stays, and is moved there
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	out, err := exec.CommandContext(t.Context(), "mvn", "--batch-mode", "--quiet",
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy", "-Dartifact=org.apache.kafka:kafka-tools:"+release,
		"-DoutputDirectory="+work).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, os.Rename(filepath.Join(work, name), path)
}
