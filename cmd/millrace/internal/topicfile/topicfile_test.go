package topicfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/cmd/millrace/internal/topicfile"
	"github.com/millrace/millrace/shared/cluster"
)

// write makes files with these texts and gives their directory.
func write(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads one document, whose name is left out of what is said of it.
func load(t *testing.T, name, text string) ([]cluster.DeclaredTopic, string) {
	t.Helper()
	file := filepath.Join(write(t, map[string]string{name: text}), name)
	topics, err := topicfile.Load(nil, []string{file})
	if err != nil {
		return nil, strings.ReplaceAll(err.Error(), file, "")
	}
	return topics, ""
}

const everything = `# what the shop needs
topics:
  - name: orders
    partitions: 12
    replicationFactor: 3
    configs: &shop
      retention.ms: 604800000
      cleanup.policy: [compact, delete]
      unclean.leader.election.enable: False
    owner: team-orders
    protected: true
  - name: payments
    partitions: 6
    replicationFactor: 3
    configs:
      <<: *shop
      cleanup.policy: delete
      min.cleanable.dirty.ratio: 0.5
`

var declared = []cluster.DeclaredTopic{
	{
		TopicSpec: cluster.TopicSpec{Name: "orders", Partitions: 12, ReplicationFactor: 3, Configs: map[string]string{
			"retention.ms": "604800000", "cleanup.policy": "compact,delete", "unclean.leader.election.enable": "false",
		}},
		Owner: "team-orders", Protected: true,
	},
	{TopicSpec: cluster.TopicSpec{Name: "payments", Partitions: 6, ReplicationFactor: 3, Configs: map[string]string{
		"retention.ms": "604800000", "cleanup.policy": "delete", "unclean.leader.election.enable": "false", "min.cleanable.dirty.ratio": "0.5",
	}}},
}

func TestLoad_ReadsYAMLAndJSONAlike(t *testing.T) {
	asJSON, err := json.MarshalIndent(topicfile.Document{Topics: declared}, "", "\t") // YAML allows no tab there
	if err != nil {
		t.Fatal(err)
	}
	several := strings.Replace(everything, "  - name: payments", "---\ntopics:\n  - name: payments", 1)
	several = "---\n# nothing yet\n---\n" + strings.Replace(several, "<<: *shop", "retention.ms: 604800000\n      unclean.leader.election.enable: false", 1)
	for name, text := range map[string]string{
		"topics.yaml": everything, "topics.json": string(asJSON), "by-content.yaml": string(asJSON), "bom.json": "\ufeff" + string(asJSON),
		"windows.yml": strings.ReplaceAll(everything, "\n", "\r\n"), "several.yaml": several,
		"flow.yaml": strings.NewReplacer("\t", "", `"topics"`, "topics").Replace(string(asJSON)), // almost JSON
	} {
		if got, said := load(t, name, text); said != "" || !reflect.DeepEqual(got, declared) {
			t.Errorf("%s is read as %+v\n%s", name, got, said)
		}
	}
	if got, err := topicfile.Load(strings.NewReader(everything), []string{topicfile.Stdin}); err != nil || !reflect.DeepEqual(got, declared) {
		t.Errorf("standard input is read as %+v, %v", got, err)
	}
	if got, said := load(t, "none.yaml", "topics: []"); said != "" || got == nil || len(got) > 0 {
		t.Errorf("a document that declares no topic is read as %v, %s", got, said)
	}
}

func TestLoad_ReadsSeveralDocuments(t *testing.T) {
	topic := func(name string) string {
		return "topics:\n  - {name: " + name + ", partitions: 1, replicationFactor: 3}\n"
	}
	dir := write(t, map[string]string{"b.yml": topic("b"), "a.yaml": topic("a"), "c.json": `{"topics": []}`, "notes.txt": "topics"})
	got, err := topicfile.Load(strings.NewReader(topic("d")), []string{dir, topicfile.Stdin})
	if err != nil || len(got) != 3 || got[0].Name != "a" || got[1].Name != "b" || got[2].Name != "d" {
		t.Errorf("read %+v, %v", got, err)
	}
	for want, names := range map[string][]string{
		"a.yaml is named twice":                   {dir, filepath.Join(dir, "a.yaml")},
		"standard input:2: a is declared already": {filepath.Join(dir, "a.yaml"), topicfile.Stdin},
		"no .yaml, .yml or .json in":              {t.TempDir()},
		"no such file":                            {filepath.Join(dir, "absent.yaml")},
	} {
		if _, err := topicfile.Load(strings.NewReader(topic("a")), names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", names, err, want)
		}
	}
}

func TestLoad_WritesValuesAsKafkaReadsThem(t *testing.T) {
	for value, want := range map[string]string{
		`604800000`:            "604800000",
		`"604800000"`:          "604800000",
		`-1`:                   "-1",
		`9223372036854775807`:  "9223372036854775807",
		`99999999999999999999`: "99999999999999999999",
		`0.5`:                  "0.5",
		`0.50`:                 "0.50",
		`.5`:                   "0.5",
		`1e9`:                  "1000000000",
		`6.048e+8`:             "604800000",
		`1e-3`:                 "0.001",
		`1_000_000`:            "1000000",
		`0x10`:                 "16",
		`true`:                 "true",
		`True`:                 "true",
		`FALSE`:                "false",
		`yes`:                  "yes",
		`lz4`:                  "lz4",
		`""`:                   "",
		`2024-01-01`:           "2024-01-01",
		`compact,delete`:       "compact,delete",
		`[compact, delete]`:    "compact,delete",
		`[1:100, 2:101]`:       "1:100,2:101",
		`["*"]`:                "*",
		`[]`:                   "",
		`"12:5"`:               "12:5",
		`"1e9"`:                "1e9",
		`"TRUE"`:               "TRUE",
		`!!str 010`:            "010",
		"|-\n        producer": "producer",
		`010`:                  `:5: p is 010, which some read as octal; write it without the zero in front`,
		`09`:                   `:5: p is 09, which some read as octal; write it without the zero in front`,
		`.inf`:                 `:5: p is .inf, which is no number that Kafka knows`,
		`.nan`:                 `:5: p is .nan, which is no number that Kafka knows`,
		`~`:                    `:5: p has no value; leave it away to inherit one, or write "" for an empty one`,
		``:                     `:5: p has no value; leave it away to inherit one, or write "" for an empty one`,
		`[a, [b]]`:             `:5: p is a list of a list; its elements are text and numbers`,
		`{ms: 1}`:              `:5: p can't be a mapping; a property with dots in its name is written in one line`,
	} {
		got, said := load(t, "topics.yaml", `topics:
  - name: orders
    partitions: 1
    configs:
      p: `+value+`
    replicationFactor: 3
`)
		if len(got) == 1 {
			said = got[0].Configs["p"]
		}
		if said != want {
			t.Errorf("%s is read as %q, want %q", value, said, want)
		}
	}
}

func TestLoad_SaysWhatIsWrongAndWhere(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"nothing", "", "# later\n", ": it is empty; a document that declares no topic is: topics: []"},
		{"no topics", "", "\ntopic: []", ":2: a document has no member topic; it has topics\n:2: topics is missing; a document that declares no topic is: topics: []"},
		{"a bare list", "", "- name: a", `:1: a document is a mapping with the members topics, not a list`},
		{"text", "", "topics", `:1: a document is a mapping with the members topics, not "topics"`},
		{"topics that are no list", "", "topics:\n  orders:\n    partitions: 1", ":2: topics is a list, not a mapping"},
		{"topics that are nothing", "", "topics:", ":1: topics is a list, not nothing"},
		{"a name alone", "", "topics: [orders]", `:1: a topic is a mapping with the members name, partitions, replicationFactor, configs, owner, protected, not "orders"`},
		{
			"an unknown member", "", "topics:\n- name: a\n  partitions: 1\n  replicationFactor: 3\n  partition: 2",
			":5: a topic has no member partition; it has name, partitions, replicationFactor, configs, owner, protected",
		},
		{"what is missing", "", "topics:\n- name: a\n- partitions: 1", ":2: partitions and replicationFactor are missing of the topic a\n:3: name and replicationFactor are missing of the topic"},
		{"one that is missing", "", "topics:\n- {name: a, partitions: 1}", ":2: replicationFactor is missing of the topic a"},
		{
			"wrong kinds", "", "topics:\n- name: [a]\n  partitions: \"12\"\n  replicationFactor: 2.5\n  owner: {}\n  protected: yes\n  configs: []",
			":2: name is text, not a list\n:3: partitions is a whole number, not \"12\"\n:4: replicationFactor is a whole number, not \"2.5\"\n" +
				":5: owner is text, not a mapping\n:6: protected is true or false, not \"yes\"\n:7: configs is a mapping of properties to values, not a list",
		},
		{"an empty name", "", "topics:\n- {name: '', partitions: 1, replicationFactor: 1}", ":2: name is empty"},
		{"a member twice", "", "topics:\n- name: a\n  partitions: 1\n  replicationFactor: 3\n  partitions: 2", ":5: partitions is there already, in line 3"},
		{
			"a property twice", "", "topics:\n- name: a\n  partitions: 1\n  replicationFactor: 3\n  configs:\n    retention.ms: 1\n    retention.ms: 2",
			":7: retention.ms is there already, in line 6",
		},
		{
			"a topic twice", "", "topics:\n- {name: a, partitions: 1, replicationFactor: 3}\n- {name: a, partitions: 2, replicationFactor: 3}",
			":3: a is declared already, at :2",
		},
		{"what takes itself over", "", "topics:\n- &a\n  name: a\n  partitions: 1\n  replicationFactor: 1\n  <<: *a", ":2: it takes itself over by <<"},
		{"what can't be taken over", "", "topics:\n- name: a\n  partitions: 1\n  replicationFactor: 1\n  <<: [b]", `:5: << takes over a mapping, not "b"`},
		{"no YAML", "", "topics:\n- name: a\n  partitions: 1: 2\n", ":3: mapping values are not allowed in this context"},
		{"an unknown alias", "", "topics:\n- *a\n", ": unknown anchor 'a' referenced"},
		{"no JSON", "topics.json", "{\n\"topics\": [\n{\"name\": \"a\",}\n]}", ":3: invalid character '}' looking for beginning of object key string"},
		{"JSON that is cut off", "topics.json", "{\n\"topics\": [\n", ":2: it ends too early"},
		{"JSON and more", "topics.json", "{\"topics\": []}\n{}", ":2: something follows the end of the document"},
		{"nothing in JSON", "topics.json", "", ":1: it ends too early"},
		{
			"a member twice in JSON", "topics.json", "{\"topics\": [\n{\"name\": \"a\",\n\"partitions\": 1, \"replicationFactor\": 3,\n\"partitions\": null}]}",
			":4: partitions is there already, in line 3",
		},
	} {
		file := tt.file
		if file == "" {
			file = "topics.yaml"
		}
		if _, said := load(t, file, tt.text); said != tt.want {
			t.Errorf("of %s it says:\n%s\nwant:\n%s", tt.name, said, tt.want)
		}
	}
}

func TestLoad_SaysTheFirstOfManyProblems(t *testing.T) {
	_, said := load(t, "topics.yaml", "topics:\n"+strings.Repeat("- {name: a}\n", 30))
	if lines := strings.Split(said, "\n"); len(lines) != 21 || lines[20] != "and 39 more" {
		t.Errorf("it says:\n%s", said)
	}
}

func TestWrite_IsReadAsWhatWasWritten(t *testing.T) {
	odd := []cluster.DeclaredTopic{{TopicSpec: cluster.TopicSpec{Name: "1e3", Partitions: 1, ReplicationFactor: 1, Configs: map[string]string{
		"a": "", "b": "true", "c": "010", "d": "null", "e": "a: b # c", "f": " x\n", "g": "[1]", "h": "2024-01-01",
	}}, Owner: "~"}}
	for _, topics := range [][]cluster.DeclaredTopic{declared, odd, {}} {
		var out strings.Builder
		if err := topicfile.Write(&out, topics); err != nil {
			t.Fatal(err)
		}
		if got, said := load(t, "topics.yaml", out.String()); said != "" || !reflect.DeepEqual(got, topics) {
			t.Errorf("it is read as %+v\n%s\n%s", got, said, out.String())
		}
	}
	var out strings.Builder
	if err := topicfile.Write(&out, declared[:1]); err != nil {
		t.Fatal(err)
	}
	const want = `topics:
  - name: orders
    partitions: 12
    replicationFactor: 3
    configs:
      cleanup.policy: compact,delete
      retention.ms: "604800000"
      unclean.leader.election.enable: "false"
    owner: team-orders
    protected: true
`
	if out.String() != want {
		t.Errorf("it writes:\n%s", out.String())
	}
}
