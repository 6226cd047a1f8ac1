package brokeragent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const saidItStarted = "INFO [KafkaRaftServer nodeId=1001] Kafka Server started (kafka.server.KafkaRaftServer)\n"

func TestStartedIsSeenHoweverMuchKafkaSaysAfterIt(t *testing.T) {
	log := filepath.Join(t.TempDir(), "kafka.log")
	said := func(words string) {
		t.Helper()
		file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(words); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	many := strings.Repeat("INFO [QuorumController id=1001] Replayed TopicRecord for topic orders\n", 2*maxEvidence/64)

	said(saidItStarted + many)
	e := evidence{log: filePosition{path: log}}.fromHere()
	if said(many); e.saysStarted() {
		t.Error("a Kafka has started that has not said so; another did before it")
	}
	if said(saidItStarted + many); !e.saysStarted() {
		t.Error("a Kafka that said it started, and much after that, has not")
	}
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if said(many); !e.saysStarted() {
		t.Error("a Kafka that said it started before its log was rotated has not")
	}
	if e = e.fromHere(); e.saysStarted() {
		t.Error("a Kafka has started that has not said so; another did, in a log that was rotated since")
	}
}
