package nodespec_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/shared/nodespec"
)

func TestWithin_ShortensTheReasonAndOnlyAsFarAsItMust(t *testing.T) {
	for _, tt := range []struct{ name, reason string }{
		{"plain text", strings.Repeat("word ", 300)},
		{"text that JSON writes longer", strings.Repeat("\x01<\"", 300)},
		{"text of many bytes a letter", strings.Repeat("日本", 300)},
		{"no text at all", strings.Repeat("\xff", 900)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const size = 400
			short := nodespec.Heartbeat{HostID: "i-1", State: nodespec.Failing, Reason: tt.reason}.Within(size)
			document, err := json.Marshal(short)
			if err != nil || len(document) > size {
				t.Errorf("%d bytes (%v), want at most %d", len(document), err, size)
			}
			if !utf8.ValidString(short.Reason) || !strings.HasSuffix(short.Reason, "…") {
				t.Errorf("reason %q", short.Reason)
			}
		})
	}
	whole := nodespec.Heartbeat{Reason: "short enough"}
	if got := whole.Within(400).Reason; got != whole.Reason {
		t.Errorf("a heartbeat that fits came out with %q", got)
	}
}

func TestHeartbeat_TellsWhatNeedsAttention(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) *time.Time { at := now.Add(d); return &at }
	for _, tt := range []struct {
		name       string
		beat       nodespec.Heartbeat
		full, ends bool
	}{
		{"nothing was seen", nodespec.Heartbeat{At: now}, false, false},
		{"a disk of no size", nodespec.Heartbeat{At: now, Disk: &nodespec.Disk{}}, false, false},
		{"a disk right below the line", nodespec.Heartbeat{At: now, Disk: &nodespec.Disk{TotalBytes: 1000, UsedBytes: 849}}, false, false},
		{"a disk on the line", nodespec.Heartbeat{At: now, Disk: &nodespec.Disk{TotalBytes: 1000, UsedBytes: 850}}, true, false},
		{"a certificate of 30 days", nodespec.Heartbeat{At: now, CertificateEnds: in(30 * 24 * time.Hour)}, false, false},
		{"a certificate of less", nodespec.Heartbeat{At: now, CertificateEnds: in(30*24*time.Hour - time.Second)}, false, true},
		{"a certificate that ended", nodespec.Heartbeat{At: now, CertificateEnds: in(-time.Hour)}, false, true},
	} {
		if full, ends := tt.beat.DiskNearlyFull(), tt.beat.CertificateNearItsEnd(); full != tt.full || ends != tt.ends {
			t.Errorf("%s: disk nearly full %t, certificate near its end %t; want %t, %t", tt.name, full, ends, tt.full, tt.ends)
		}
	}
}

func TestWithin_TellsOfTheBrokersThatAreMostOutOfSync(t *testing.T) {
	beat := nodespec.Heartbeat{Reason: "slow", Replication: &nodespec.Replication{Leads: 900, UnderReplicated: 900, OutOfSync: map[int32]int{}}}
	for id := range int32(59) {
		beat.Replication.OutOfSync[id] = 100 + int(id)
	}
	short := beat.Within(400)
	told := short.Replication.OutOfSync
	for id := int32(58); id > 58-int32(len(told)); id-- {
		if told[id] != 100+int(id) {
			t.Errorf("broker %d has %d partitions out of sync", id, told[id])
		}
	}
	document, err := json.Marshal(short)
	if err != nil || len(document) > 400 || len(document) < 380 || short.Reason != "slow" || short.Replication.UnderReplicated != 900 {
		t.Errorf("%d bytes (%v): %s", len(document), err, document)
	}
	if len(beat.Replication.OutOfSync) != 59 {
		t.Error("the heartbeat itself was shortened")
	}
}
