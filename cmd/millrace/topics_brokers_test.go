package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
)

// topics reads what "millrace topics list" says.
func (m *machine) topics() client.Topics {
	m.t.Helper()
	var topics client.Topics
	m.decode(m.succeeds("topics", "list", "demo", "--output", "json"), &topics)
	return topics
}

// document writes a document of topics.
func (m *machine) document(text string) string {
	m.t.Helper()
	file := filepath.Join(m.t.TempDir(), "topics.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return file
}

// administerTopics does to the topics that the README has left, on brokers that run, what the README does not tell of: what is
// exported changes nothing, what drifts is found, a protected topic stays, and what is deleted is named.
func (m *machine) administerTopics() {
	m.t.Helper()
	exported := m.document(m.succeeds("topics", "export", "demo"))
	if r := m.millrace("topics", "plan", "-f", exported, "demo", "--exit-code"); r.code != 0 || !strings.Contains(r.stdout, "nothing is to be done; 2 are as declared") {
		m.t.Errorf("the plan of what was exported: %s", r)
	}
	if said := m.fails(exitFailure, "topics", "delete", "demo", "orders", "--confirm", "orders"); !strings.Contains(said, "protected") {
		m.t.Errorf("deleting a protected topic it says %q", said)
	}
	// Somebody changes a declared topic, and it shows.
	plane := m.controlPlane()
	out, err := awsCLI(m.t, environment(plane.endpoint(), plane.Region, plane.AccessKeyID, plane.SecretAccessKey).environ()...)(
		"kafka", "update-topic", "--cluster-arn", m.status().Clusters[0].ARN, "--topic-name", "payments", "--partition-count", "7")
	if err != nil {
		m.t.Fatalf("update-topic: %v\n%s", err, out)
	}
	m.waitUntil("the drift is found", func() bool {
		drift := m.topics().Drift
		return drift != nil && drift.Count == 1 && drift.Topics[0].Topic == "payments"
	})
	if out := m.succeeds("health", "demo"); !strings.Contains(out, "Topics:        1 topic differs from what is declared, since ") {
		m.t.Errorf("its health is:\n%s", out)
	}
	// It is declared as it is now, and other topics in its place: what is no longer declared stays until it is named.
	exported = m.document(m.succeeds("topics", "export", "demo"))
	changed := m.document("topics: [{name: old, partitions: 1, replicationFactor: 3}]")
	r := m.millrace("topics", "apply", "-f", changed, "demo", "--yes")
	if r.code != 0 || !strings.Contains(r.stdout, "= release") || !strings.Contains(r.stderr, "100%\n") {
		m.t.Errorf("applied: %s", r)
	}
	if r := m.millrace("topics", "plan", "-f", exported, "demo", "--exit-code"); r.code != 0 || !strings.Contains(r.stdout, "= release") { // which does nothing
		m.t.Errorf("the plan of the document before: %s", r)
	}
	m.succeeds("topics", "apply", "-f", exported, "demo", "--yes", "--delete", "old")
	if topics := m.topics(); len(topics.Topics) != 2 || topics.Declaration == nil || topics.Applying != nil {
		m.t.Errorf("the topics are %+v", topics)
	}
}
