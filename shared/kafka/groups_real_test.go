package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafka"
)

// What is said of groups is what real clients have left behind in a real broker, by the old protocol and by the new one, and what
// is changed of them is where such clients go on. The oldest and the newest release stand for all.
func TestGroups_OfARealBroker(t *testing.T) {
	for _, tt := range []struct {
		name, release string
		inCluster     bool
		types         []string
	}{
		{"by certificate", "4.4.0", true, []string{"classic", "consumer", "share"}},
		{"by password", "3.9.1", false, []string{"classic"}},
	} {
		t.Run(tt.release+" "+tt.name, func(t *testing.T) {
			access, clients := startABroker(t, tt.release, tt.inCluster)
			makeTopic(t, clients, "audit", nil)
			makeTopic(t, clients, "payments", map[string]*string{"retention.ms": new("-1")})
			p := &pupils{t: t, pool: kafka.NewPool(), access: access, clients: clients}
			t.Cleanup(func() { p.pool.Close() })
			if got, err := p.pool.Groups(t.Context(), access); err != nil || len(got) > 0 {
				t.Errorf("without any there are %+v, %v", got, err)
			}
			if _, err := p.pool.Group(t.Context(), access, "nobody"); !isNo(err, fault.NotFound, "GROUP_ID_NOT_FOUND") {
				t.Errorf("nobody is %v", err)
			}
			began := time.Now().Truncate(time.Millisecond)
			p.write("payments", 10, began.Add(-10*time.Hour), time.Hour)
			p.write("audit", 3, began.Add(-time.Minute), 0)
			for _, kind := range tt.types {
				p.group(kind, began)
			}
			var listed []string
			groups, err := p.pool.Groups(t.Context(), access)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				listed = append(listed, fmt.Sprintf("%s %s %s", g.ID, g.Type, g.State))
			}
			if len(tt.types) > 1 && !slices.Equal(listed, []string{"share share Empty"}) {
				t.Errorf("left are %v", listed)
			}
		})
	}
}

// pupils are groups that read what was written.
type pupils struct {
	t       *testing.T
	pool    *kafka.Pool
	access  kafka.Access
	clients string
}

func (p *pupils) client(options ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(p.clients), kgo.DisableClientMetrics())...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.Close)
	return client
}

// write writes records that say when they were written, all in one batch.
func (p *pupils) write(topic string, count int, first time.Time, apart time.Duration) {
	p.t.Helper()
	var records []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{
			Topic: topic, Partition: 0, Value: fmt.Appendf(nil, "record %d", i), Timestamp: first.Add(time.Duration(i) * apart),
		})
	}
	client := p.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50*time.Millisecond), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	defer client.Close()
	if err := client.ProduceSync(p.t.Context(), records...).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
}

// join gives a member of a group that has been assigned what it reads, and has read all of it.
func (p *pupils) join(kind, id string, options ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	options = append(options, kgo.ClientID("app-of-"+id), kgo.ConsumeTopics("audit", "payments"))
	switch kind {
	case "share":
		options = append(options, kgo.ShareGroup(id))
	case "consumer":
		options = append(options, kgo.ConsumerGroup(id), kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	default:
		options = append(options, kgo.ConsumerGroup(id), kgo.InstanceID("static-"+id), kgo.Balancers(kgo.RangeBalancer()))
	}
	if kind != "share" {
		options = append(options, kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	return p.client(options...)
}

// read gives the values of the next so many records.
func (p *pupils) read(client *kgo.Client, count int) (values []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for len(values) < count {
		fetched := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			p.t.Fatalf("read %q of %d records: %v", values, count, err)
		}
		fetched.EachRecord(func(r *kgo.Record) { values = append(values, r.Topic+" "+string(r.Value)) })
	}
	slices.Sort(values)
	return values
}

func (p *pupils) describe(id string) cluster.Group {
	p.t.Helper()
	g, err := p.pool.Group(p.t.Context(), p.access, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return g
}

// group leads one group through its life.
func (p *pupils) group(id string, began time.Time) {
	t, ctx := p.t, p.t.Context()
	t.Helper()
	kind := id
	member := p.join(kind, id)
	if kind == "share" {
		p.until("it has joined", func() bool { member.PollFetches(brief(ctx)); return p.describe(id).State == "Stable" })
		g := p.describe(id)
		if g.Type != "share" || len(g.Offsets) > 0 {
			t.Errorf("%+v", g)
		}
		for _, err := range []error{p.reset(id, "payments", cluster.OffsetTarget{Earliest: true}, nil), p.forget(id, "payments", nil)} {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "is a share group") {
				t.Errorf("offsets of a share group: %v", err)
			}
		}
		member.Close()
		p.until("it is empty", func() bool { return p.describe(id).State == "Empty" })
		return
	}
	p.read(member, 13)
	g := p.describe(id)
	if g.Type != kind || g.State != "Stable" || g.Protocol != "range" || g.Coordinator != 1 || len(g.Members) != 1 ||
		g.Members[0].ClientID != "app-of-"+id || g.Members[0].Host != "127.0.0.1" && !strings.HasPrefix(g.Members[0].Host, "127.") ||
		(kind == "classic") != (g.Members[0].InstanceID == "static-classic") ||
		!slices.Equal(g.Members[0].Partitions, []cluster.TopicPartition{{Topic: "audit"}, {Topic: "payments"}}) {
		t.Errorf("with a member it is %+v", g)
	}
	if _, known := g.Lag(); known || len(g.Offsets) != 2 || g.Offsets[0].Committed != -1 || g.Offsets[0].End != 3 || g.Behind() != nil {
		t.Errorf("before anything is committed: %+v", g.Offsets)
	}
	if err := member.CommitRecords(ctx, &kgo.Record{Topic: "payments", Offset: 3}, &kgo.Record{Topic: "audit", Offset: 2}); err != nil {
		t.Fatal(err)
	}
	g = p.describe(id)
	if lag, known := g.Lag(); !known || lag != 6 || g.Offsets[0].Committed != 3 || *g.Offsets[0].Behind != 0 || g.Offsets[1].Member != g.Members[0].ID {
		t.Errorf("with all of audit and 4 of payments read, lag is %d, %t: %+v", lag, known, g.Offsets)
	}
	// Record 4 was written six hours before.
	if behind := *g.Behind(); behind < 6*time.Hour || behind > 6*time.Hour+time.Since(began) {
		t.Errorf("it is behind by %s, after %s", behind, time.Since(began))
	}

	// While there is a member nothing can be changed under it.
	for what, err := range map[string]error{
		"reset":  p.reset(id, "payments", cluster.OffsetTarget{Earliest: true}, nil),
		"delete": p.pool.DeleteGroup(ctx, p.access, id),
	} {
		if !isNo(err, fault.Conflict, "NON_EMPTY_GROUP") || !strings.Contains(err.Error(), "app-of-"+id) && !strings.Contains(err.Error(), "static-"+id) {
			t.Errorf("%s with a member: %v", what, err)
		}
	}
	if err := p.forget(id, "payments", nil); !isNo(err, fault.Conflict, "GROUP_SUBSCRIBED_TO_TOPIC") {
		t.Errorf("forget with a member: %v", err)
	}
	p.leave(member, id)

	for _, step := range []struct {
		to   cluster.OffsetTarget
		want string
	}{
		{cluster.OffsetTarget{Earliest: true}, "4→0"},
		{cluster.OffsetTarget{Latest: true}, "0→10"},
		{cluster.OffsetTarget{By: new(int64(-3))}, "10→7"},
		{cluster.OffsetTarget{By: new(int64(-30))}, "7→0 -23 is not kept any more: the oldest record"},
		{cluster.OffsetTarget{Offset: new(int64(11))}, "0→10 11 is past the end: the end"},
		{cluster.OffsetTarget{At: new(began)}, "10→10 no record is as young as that: the end"},
		{cluster.OffsetTarget{At: new(began.Add(-5*time.Hour - time.Minute))}, "10→5"},
		{cluster.OffsetTarget{Offset: new(int64(8))}, "5→8"},
	} {
		for _, dryRun := range []bool{true, false} {
			changes, err := p.pool.ResetOffsets(ctx, p.access, kafka.OffsetsOf{Group: id, Topic: "payments", Partitions: []int32{0}}, step.to, dryRun)
			if err != nil || len(changes) != 1 {
				t.Fatalf("reset: %v, %v", changes, err)
			}
			if got := strings.TrimSpace(fmt.Sprintf("%d→%d %s", changes[0].From, changes[0].To, changes[0].Note)); got != step.want {
				t.Errorf("dry run %t: %s, want %s", dryRun, got, step.want)
			}
		}
	}
	if g = p.describe(id); g.State != "Empty" || g.Offsets[1].Committed != 8 || *g.Offsets[1].Lag != 2 {
		t.Errorf("reset, it is %+v", g)
	}
	again := p.join(kind, id)
	if got := p.read(again, 2); !slices.Equal(got, []string{"payments record 8", "payments record 9"}) {
		t.Errorf("it went on with %q", got)
	}
	p.leave(again, id)

	for _, tt := range []struct {
		of           kafka.OffsetsOf
		code         fault.Code
		reason, says string
	}{
		{kafka.OffsetsOf{Group: id, Topic: "nothing"}, fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION", "there is no topic nothing"},
		{kafka.OffsetsOf{Group: id, Topic: "audit", Partitions: []int32{1}}, fault.NotFound, "UNKNOWN_TOPIC_OR_PARTITION", "no partition 1"},
		{kafka.OffsetsOf{Group: "nobody"}, fault.NotFound, "GROUP_ID_NOT_FOUND", "there is no group nobody"},
	} {
		_, err := p.pool.ResetOffsets(ctx, p.access, tt.of, cluster.OffsetTarget{Earliest: true}, true)
		if !isNo(err, tt.code, tt.reason) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("reset of %+v: %v", tt.of, err)
		}
	}

	var forgotten []cluster.OffsetChange
	if err := p.forget(id, "payments", &forgotten); err != nil || len(forgotten) != 1 || forgotten[0].From != 8 || forgotten[0].To != -1 {
		t.Errorf("forgot %+v, %v", forgotten, err)
	}
	if g = p.describe(id); len(g.Offsets) != 1 || g.Offsets[0].Topic != "audit" {
		t.Errorf("with payments forgotten it has %+v", g.Offsets)
	}
	if err := p.forget(id, "payments", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("forgot it twice: %v", err)
	}
	summaries, err := p.pool.Groups(ctx, p.access)
	if err != nil {
		t.Fatal(err)
	}
	if s := summaries[slices.IndexFunc(summaries, func(g cluster.GroupSummary) bool { return g.ID == id })]; s.Type != kind || *s.Members != 0 || *s.Lag != 0 || *s.Behind != 0 {
		t.Errorf("listed as %+v", s)
	}
	if err := p.pool.DeleteGroup(ctx, p.access, id); err != nil {
		t.Fatal(err)
	}
	if err := p.pool.DeleteGroup(ctx, p.access, id); !isNo(err, fault.NotFound, "GROUP_ID_NOT_FOUND") {
		t.Errorf("deleted twice: %v", err)
	}
}

func (p *pupils) reset(id, topic string, to cluster.OffsetTarget, into *[]cluster.OffsetChange) error {
	changes, err := p.pool.ResetOffsets(p.t.Context(), p.access, kafka.OffsetsOf{Group: id, Topic: topic}, to, false)
	if into != nil {
		*into = changes
	}
	return err
}

func (p *pupils) forget(id, topic string, into *[]cluster.OffsetChange) error {
	changes, err := p.pool.DeleteOffsets(p.t.Context(), p.access, kafka.OffsetsOf{Group: id, Topic: topic}, false)
	if into != nil {
		*into = changes
	}
	return err
}

// leave ends a member, a static one as well.
func (p *pupils) leave(member *kgo.Client, id string) {
	p.t.Helper()
	if instance := p.describe(id).Members[0].InstanceID; instance != "" {
		member.Close()
		admin := p.client()
		defer admin.Close()
		if _, err := leaveAs(id, instance).RequestWith(p.t.Context(), admin); err != nil {
			p.t.Fatal(err)
		}
	}
	member.Close()
	p.until("the group is empty", func() bool { return p.describe(id).State == "Empty" })
}

func (p *pupils) until(what string, isTrue func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); !isTrue(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// brief is a context that ends soon.
func brief(ctx context.Context) context.Context {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func leaveAs(group, instance string) *kmsg.LeaveGroupRequest {
	request := kmsg.NewPtrLeaveGroupRequest()
	request.Group = group
	member := kmsg.NewLeaveGroupRequestMember()
	member.InstanceID = &instance
	request.Members = append(request.Members, member)
	return request
}

func isNo(err error, code fault.Code, reason string) bool {
	return fault.CodeOf(err) == code && fault.ReasonOf(err) == reason
}
