package serverproperties_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serverproperties"
)

func TestParse_ReadsWhatJavaReads(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want map[string]string
	}{
		{"nothing at all", "", nil},
		{"comments and blank lines only", "# ours\n\n  ! theirs\n\t\n", nil},
		{"no newline at the end", "num.partitions=3", map[string]string{"num.partitions": "3"}},
		{"Windows line ends", "num.partitions=3\r\nnum.io.threads=9\r\n", map[string]string{"num.partitions": "3", "num.io.threads": "9"}},
		{"old Mac line ends", "num.partitions=3\rnum.io.threads=9", map[string]string{"num.partitions": "3", "num.io.threads": "9"}},
		{"spaces around the equals sign", "  num.partitions = 3  ", map[string]string{"num.partitions": "3"}},
		{"a colon", "num.partitions: 3", map[string]string{"num.partitions": "3"}},
		{"nothing but a blank", "num.partitions\t3", map[string]string{"num.partitions": "3"}},
		{"a line that goes on", "log.cleanup.policy=\\\n   compact,\\\r\n delete", map[string]string{"log.cleanup.policy": "compact,delete"}},
		{
			"what goes on is never a comment", "num.partitions=\\\n3\n#\\\nnum.io.threads=9",
			map[string]string{"num.partitions": "3", "num.io.threads": "9"},
		},
		{
			"an empty line ends what goes on", "num.partitions=3\\\n\nnum.io.threads=9",
			map[string]string{"num.partitions": "3", "num.io.threads": "9"},
		},
		{"a backslash at the very end", "num.partitions=3\\", map[string]string{"num.partitions": "3"}},
		{"escapes that mean the character itself", `num\.partitions=\u0033`, map[string]string{"num.partitions": "3"}},
		{"an escaped blank around a value", `num.partitions=\t3\n`, map[string]string{"num.partitions": "3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serverproperties.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParse_TakesAnEscapedSeparatorForAPartOfTheKey(t *testing.T) {
	for _, text := range []string{`num.partitions\==3`, `num.partitions\u003d=3`} {
		_, err := serverproperties.Parse([]byte(text))
		wantProblem(t, err, "num.partitions=", "not supported")
	}
}

// samples has a value for each key that is neither its default nor out of place.
var samples = map[string]string{
	"allow.everyone.if.no.acl.found":            "false",
	"auto.create.topics.enable":                 "True",
	"compression.type":                          "zstd",
	"connections.max.idle.ms":                   "300000",
	"custom.advertised.listeners":               "CLIENT_SECURE://kafka.example.com:9000+{broker_id}",
	"default.replication.factor":                "2",
	"delete.topic.enable":                       "False",
	"group.initial.rebalance.delay.ms":          "0",
	"group.max.session.timeout.ms":              "60000",
	"group.min.session.timeout.ms":              "3000",
	"leader.imbalance.per.broker.percentage":    "20",
	"log.cleaner.delete.retention.ms":           "1000",
	"log.cleaner.min.cleanable.ratio":           "0.25",
	"log.cleanup.policy":                        "compact, delete",
	"log.flush.interval.messages":               "10000",
	"log.flush.interval.ms":                     "1000",
	"log.message.timestamp.difference.max.ms":   "86400000",
	"log.message.timestamp.type":                "LogAppendTime",
	"log.retention.bytes":                       "1073741824",
	"log.retention.hours":                       "24",
	"log.retention.minutes":                     "60",
	"log.retention.ms":                          "-1",
	"log.roll.ms":                               "604800000",
	"log.segment.bytes":                         "52428800",
	"max.incremental.fetch.session.cache.slots": "2000",
	"message.max.bytes":                         "8388608",
	"min.insync.replicas":                       "1",
	"num.io.threads":                            "16",
	"num.network.threads":                       "8",
	"num.partitions":                            "12",
	"num.recovery.threads.per.data.dir":         "4",
	"num.replica.fetchers":                      "4",
	"offsets.retention.minutes":                 "20160",
	"offsets.topic.replication.factor":          "2",
	"replica.fetch.max.bytes":                   "8388608",
	"replica.fetch.response.max.bytes":          "20971520",
	"replica.lag.time.max.ms":                   "10000",
	"replica.selector.class":                    "org.apache.kafka.common.replica.RackAwareReplicaSelector",
	"replica.socket.receive.buffer.bytes":       "131072",
	"socket.receive.buffer.bytes":               "-1",
	"socket.request.max.bytes":                  "52428800",
	"socket.send.buffer.bytes":                  "-1",
	"transaction.max.timeout.ms":                "60000",
	"transaction.state.log.min.isr":             "1",
	"transaction.state.log.replication.factor":  "2",
	"transactional.id.expiration.ms":            "86400000",
	"unclean.leader.election.enable":            "false",
	"zookeeper.connection.timeout.ms":           "6000",
	"zookeeper.session.timeout.ms":              "12000",
}

func TestParse_TakesEachOfThe49Keys(t *testing.T) {
	keys := serverproperties.Keys()
	if len(keys) != 49 {
		t.Errorf("the table has %d keys, MSK has 49", len(keys))
	}
	if !slices.IsSortedFunc(keys, func(a, b serverproperties.Key) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the keys are not in order")
	}
	for _, k := range keys {
		t.Run(k.Name, func(t *testing.T) {
			sample, ok := samples[k.Name]
			if !ok {
				t.Fatal("no sample")
			}
			if _, err := parse(k.Name, sample); err != nil {
				t.Errorf("%s: %v", sample, err)
			}
			for _, standard := range []string{k.Default, k.DefaultIn2Zones} {
				if standard == "" {
					continue
				}
				if got, err := parse(k.Name, standard); err != nil || got != standard {
					t.Errorf("the default %s became %q: %v", standard, got, err)
				}
			}
		})
	}
}

func TestParse_RefusesEachKeyOutsideItsRange(t *testing.T) {
	for _, k := range serverproperties.Keys() {
		var inside, outside []string
		switch k.Kind {
		case serverproperties.Boolean:
			inside, outside = []string{"true", "FALSE"}, []string{"1", "yes", ""}
		case serverproperties.Integer:
			inside = []string{strconv.FormatInt(k.Min, 10), strconv.FormatInt(k.Max, 10), "+" + strconv.FormatInt(k.Max, 10)}
			outside = []string{strconv.FormatInt(k.Min-1, 10), strconv.FormatUint(uint64(k.Max)+1, 10), "", "ten", "1.5", "1e3", "0x10", "1_000"}
			if k.NotZero {
				outside = append(outside, "0")
			}
		case serverproperties.Double:
			inside, outside = []string{"0", "1", ".5", "5e-1"}, []string{"-0.1", "1.1", "NaN", "Inf", "", "half"}
		case serverproperties.Choice:
			inside, outside = k.Values, []string{"", "other", " " + k.Values[0] + "," + k.Values[0]}
		case serverproperties.List:
			inside, outside = k.Values, []string{"", "other", k.Values[0] + ",", k.Values[0] + "," + k.Values[0]}
		case serverproperties.Listeners:
			continue // TestParse_CustomAdvertisedListeners
		}
		t.Run(k.Name, func(t *testing.T) {
			for _, value := range inside {
				if _, err := parse(k.Name, value); err != nil {
					t.Errorf("%q: %v", value, err)
				}
			}
			for _, value := range outside {
				_, err := parse(k.Name, value)
				wantProblem(t, err, k.Name, "It has to be "+k.Allowed()+".")
			}
		})
	}
}

func TestParse_WritesValuesAsKafkaWould(t *testing.T) {
	for _, tt := range []struct{ name, key, value, want string }{
		{"a boolean in Ansible's spelling", "delete.topic.enable", "False", "false"},
		{"a number with a sign", "num.partitions", "+3", "3"},
		{"a number with leading zeros", "num.partitions", "003", "3"},
		{"a fraction without its zero", "log.cleaner.min.cleanable.ratio", ".50", "0.5"},
		{"a list with spaces", "log.cleanup.policy", "compact , delete", "compact,delete"},
		{
			"listeners with spaces", "custom.advertised.listeners", "CLIENT://a:1+{broker_id} , CLIENT_IAM://a:100+{broker_id}",
			"CLIENT://a:1+{broker_id},CLIENT_IAM://a:100+{broker_id}",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parse(tt.key, tt.value); err != nil || got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestParse_CustomAdvertisedListeners(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value string
		want  string // part of the complaint; empty when there is none
	}{
		{"one listener", "CLIENT://kafka.example.com:9000+{broker_id}", ""},
		{"two listeners", "CLIENT://kafka.example.com:9000+{broker_id},CLIENT_IAM_PUBLIC://10.0.0.1:9100+{broker_id}", ""},
		{"nothing", "", "Invalid custom.advertised.listeners format. Expected: LISTENER_NAME://host:port+{broker_id}"},
		{"no id of the broker", "CLIENT://kafka.example.com:9000", "Invalid custom.advertised.listeners format."},
		{"no port", "CLIENT://kafka.example.com+{broker_id}", "Invalid custom.advertised.listeners format."},
		{"a port that leaves no room", "CLIENT://kafka.example.com:65535+{broker_id}", "Invalid custom.advertised.listeners format."},
		{"no host", "CLIENT://:9000+{broker_id}", "Invalid custom.advertised.listeners format."},
		{"an empty entry", "CLIENT://a:9000+{broker_id},", "Invalid custom.advertised.listeners format."},
		{"a listener of brokers", "REPLICATION_SECURE://a:9000+{broker_id}", "Listener 'REPLICATION_SECURE' cannot have a custom address."},
		{"a listener of controllers", "CONTROLLER://a:9000+{broker_id}", "Listener 'CONTROLLER' cannot have a custom address."},
		{"a listener twice", "CLIENT://a:9000+{broker_id},CLIENT://b:9000+{broker_id}", "Listener 'CLIENT' is given more than once."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("custom.advertised.listeners", tt.value)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantProblem(t, err, "custom.advertised.listeners", tt.want)
		})
	}
}

func TestParse_NamesEveryBadPropertyInOrder(t *testing.T) {
	_, err := serverproperties.Parse([]byte("log.dirs=/tmp\n" +
		"num.partitions=0\n" +
		"auto.create.topics.enable=true\n" +
		"num.io.threads=1\nnum.io.threads=2\n" +
		"broker.id=<1>\n" +
		"log.dirs=/var\n"))
	want := `[` +
		`{"name":"log.dirs","value":"/tmp","errorMessages":["Key 'log.dirs' is not supported by at least one Apache Kafka version. ` +
		`A configuration can set only the documented broker properties.","Key 'log.dirs' is set more than once."]},` +
		`{"name":"num.partitions","value":"0","errorMessages":["Invalid value '0' for key 'num.partitions'. ` +
		`It has to be an integer from 1 to 2147483647."]},` +
		`{"name":"num.io.threads","value":"1","errorMessages":["Key 'num.io.threads' is set more than once."]},` +
		`{"name":"broker.id","value":"<1>","errorMessages":["Key 'broker.id' is not supported by at least one Apache Kafka version. ` +
		`A configuration can set only the documented broker properties."]}]`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestParse_RefusesTextThatNoRecordCouldHold(t *testing.T) {
	comment := []byte(strings.Repeat("#", serverproperties.MaxBytes))
	if _, err := serverproperties.Parse(comment); err != nil {
		t.Error(err)
	}
	if _, err := serverproperties.Parse(append(comment, '#')); !fault.Is(err, fault.Invalid) {
		t.Errorf("one byte too many: %v", err)
	}
	_, err := serverproperties.Parse([]byte(strings.Repeat("a", 10) + strings.Repeat("\nkey\\=", 10_000)))
	if err == nil {
		t.Fatal("nonsense was taken")
	}
	many := &strings.Builder{}
	for i := range 20_000 {
		many.WriteString(strconv.Itoa(i) + "\n")
	}
	_, err = serverproperties.Parse([]byte(many.String()))
	if got := problemsOf(t, err); len(got) != 100 {
		t.Errorf("%d problems were told at once, want 100", len(got))
	}
}

func TestCheckUse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		release string
		want    string // part of the refusal; empty when a cluster can use it
	}{
		{"no properties", "", "4.3.1", ""},
		{"properties of every release", "num.partitions=3\nlog.segment.bytes=1048576", "4.3.1", ""},
		{"segments below 1 MiB on Kafka 3.9", "log.segment.bytes=1048575", "3.9.1", ""},
		{"segments below 1 MiB on Kafka 4", "log.segment.bytes=1048575", "4.0.0", "log.segment.bytes to 1048575"},
		{"custom addresses", "custom.advertised.listeners=CLIENT://a:9000+{broker_id}", "3.9.1", "custom.advertised.listeners"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			properties, err := serverproperties.Parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			err = serverproperties.CheckUse(properties, tt.release)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzParse holds Parse to two promises: it never panics, and what it returns it would return again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"num.partitions=3", "a\\\n=b", "\\u00", "log.cleanup.policy = compact , delete\r\n#x", "=\\"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := serverproperties.Parse(text)
		if err != nil {
			return
		}
		again := &strings.Builder{}
		for key, value := range first {
			again.WriteString(key + "=" + value + "\n")
		}
		second, err := serverproperties.Parse([]byte(again.String()))
		if err != nil || !maps.Equal(first, second) {
			t.Errorf("%v became %v: %v", first, second, err)
		}
	})
}

// parse gives what one property's value becomes.
func parse(key, value string) (string, error) {
	properties, err := serverproperties.Parse([]byte(key + "=" + value))
	return properties[key], err
}

type problem struct {
	Name          string
	Value         string
	ErrorMessages []string
}

func problemsOf(t *testing.T, err error) []problem {
	t.Helper()
	if !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v, want an Invalid error", err)
	}
	var problems []problem
	if err := json.Unmarshal([]byte(err.Error()), &problems); err != nil {
		t.Fatalf("the message is no JSON array: %v", err)
	}
	return problems
}

// wantProblem checks that one property was refused, with a message that contains want.
func wantProblem(t *testing.T, err error, name, want string) {
	t.Helper()
	problems := problemsOf(t, err)
	if len(problems) != 1 || problems[0].Name != name || len(problems[0].ErrorMessages) != 1 ||
		!strings.Contains(problems[0].ErrorMessages[0], want) {
		t.Errorf("got %+v, want one about %q that contains %q", problems, name, want)
	}
}
