package brokeragent

import (
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestRenderProperties_WritesWhatJavaReadsBack(t *testing.T) {
	placeholders := strings.NewReplacer(nodespec.VolumePath, "/mnt/my volume")
	for _, tt := range []struct{ name, key, value, want string }{
		{"plain", "node.id", "1", "node.id=1"},
		{"a placeholder", "log.dirs", nodespec.VolumePath, "log.dirs=/mnt/my volume"},
		{"separators need no escape in a value", "listeners", "A://h:1,B://h:2", "listeners=A://h:1,B://h:2"},
		{"separators in a key", "a:b=c d#", "x", `a\:b\=c\ d\#=x`},
		{"a backslash", "rules", `RULE:^CN=(\w+)$/$1/`, `rules=RULE:^CN=(\\w+)$/$1/`},
		{"a space before a value", "a", "  b", `a=\  b`},
		{"several lines", "a", "b\nc\td", `a=b\nc\td`},
		{"beyond Latin-1", "a", "ü日𝄞", `a=\u00FC\u65E5\uD834\uDD1E`},
		{"empty", "a", "", "a="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(renderProperties(map[string]string{tt.key: tt.value}, placeholders))
			if got != tt.want+"\n" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDigest_ChangesWithEverythingKafkaIsStartedWith(t *testing.T) {
	base := nodespec.Spec{Release: "4.1.2", JVM: nodespec.JVM{HeapMiB: 256}, Properties: map[string]string{"a": "1"}, Certificate: "c", Authority: "d"}
	of := func(s nodespec.Spec) string { return renderFiles(s, home{"/host"}, keyPair{}, "/volume").digest(s) }
	for name, change := range map[string]func(*nodespec.Spec){
		"release":     func(s *nodespec.Spec) { s.Release = "4.2.1" },
		"heap":        func(s *nodespec.Spec) { s.JVM.HeapMiB = 512 },
		"properties":  func(s *nodespec.Spec) { s.Properties = map[string]string{"a": "2"} },
		"certificate": func(s *nodespec.Spec) { s.Certificate = "e" },
		"authority":   func(s *nodespec.Spec) { s.Authority = "e" },
	} {
		changed := base
		change(&changed)
		if of(changed) == of(base) {
			t.Errorf("the digest does not see another %s", name)
		}
	}
	renumbered := base
	renumbered.Generation, renumbered.Volume.New = 7, true
	if of(renumbered) != of(base) {
		t.Error("the digest sees what Kafka does not")
	}
}

func TestMark_SurvivesTheCommandLine(t *testing.T) {
	want := mark{hostDir: "/srv/host 1", release: "4.1.2", digest: "abc"}
	got, ok := parseMark(append([]string{"java"}, append(want.arguments(), "kafka.Kafka")...))
	if !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := parseMark([]string{"java", "kafka.Kafka", "/srv/host 1/server.properties"}); ok {
		t.Error("somebody else's Kafka was taken for ours")
	}
}
