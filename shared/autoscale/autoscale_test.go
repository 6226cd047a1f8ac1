package autoscale_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/shared/autoscale"
	"github.com/millrace/millrace/shared/cluster"
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rule = cluster.StorageAutoscaling{TargetPercent: 60, MaxGiB: 500}
)

// serving is a look at a cluster whose brokers have 100 GiB each, and use as much of it as is said.
func serving(percent ...float64) autoscale.Look {
	l := autoscale.Look{Now: now, Cluster: cluster.Cluster{ID: "c-1", Name: "orders", Ready: true}, Rule: rule}
	for i, p := range percent {
		l.Brokers = append(l.Brokers, broker(int32(i+1), 100, p))
	}
	return l
}

func broker(id int32, gib int, percent float64) autoscale.Broker {
	return autoscale.Broker{ID: id, Shape: cluster.VolumeShape{SizeGiB: gib}, UsedPercent: percent, Known: true, SeenGiB: gib}
}

func failed(endedAgo ...time.Duration) (ops []cluster.Operation) {
	for i, ago := range endedAgo {
		ops = append(ops, cluster.Operation{
			ID: fmt.Sprintf("op-%d", i+1), State: cluster.OperationFailed, EndedAt: now.Add(-ago), Storage: &cluster.StorageChange{Automatic: true},
		})
	}
	return ops
}

// partway is a growth that has failed a while ago, and was to give every broker so much.
func partway(gib int) []cluster.Operation {
	ops := failed(time.Hour)
	ops[0].Storage.Every.SizeGiB = gib
	return ops
}

func grown(endedAgo ...time.Duration) []cluster.Operation {
	ops := failed(endedAgo...)
	for i := range ops {
		ops[i].State = cluster.Complete
	}
	return ops
}

func TestDecide(t *testing.T) {
	for name, tt := range map[string]struct {
		look autoscale.Look
		with func(*autoscale.Look)
		// want is the change in words, or a part of the reason why there is none.
		want string
	}{
		"nobody is at the target":             {look: serving(10, 59.9, 30), want: "no broker is known to use 60 %"},
		"one is at the target":                {look: serving(10, 60, 30), want: "1: 100→110, 2: 100→110, 3: 100→110; every 110"},
		"the fullest decides":                 {look: serving(70, 60, 61), want: "1: 100→117, 2: 100→117, 3: 100→117; every 117"},
		"it gets below the target at once":    {look: serving(99), want: "1: 100→166; every 166"},
		"a tenth of what is large":            {look: serving(0), with: func(l *autoscale.Look) { l.Brokers[0] = broker(1, 305, 60) }, want: "1: 305→336; every 336"},
		"the maximum is in the way":           {look: serving(0), with: func(l *autoscale.Look) { l.Brokers[0] = broker(1, 495, 61) }, want: "1: 495→500; every 500"},
		"it has the maximum":                  {look: serving(0), with: func(l *autoscale.Look) { l.Brokers[0] = broker(1, 500, 61) }, want: "volumes may have 500 GiB at most; at the maximum"},
		"it has more than the maximum":        {look: serving(0), with: func(l *autoscale.Look) { l.Brokers[0] = broker(1, 600, 61) }, want: "volumes may have 500 GiB at most; at the maximum"},
		"the fullest has the maximum":         {look: serving(61, 95), with: func(l *autoscale.Look) { l.Brokers[1] = broker(2, 500, 95) }, want: "1: 100→500; every 500"},
		"one was grown before the others":     {look: serving(61, 61), with: func(l *autoscale.Look) { l.Brokers[1] = broker(2, 300, 20) }, want: "1: 100→110; every 110"},
		"a large one is full, a small is not": {look: serving(10, 0), with: func(l *autoscale.Look) { l.Brokers[1] = broker(2, 200, 60) }, want: "1: 100→220, 2: 200→220; every 220"},
		"one stays behind, and wants a little more than the others have": {look: serving(75, 0, 0), with: func(l *autoscale.Look) {
			l.Brokers[1], l.Brokers[2] = broker(2, 120, 50), broker(3, 120, 50)
		}, want: "1: 100→132, 2: 120→132, 3: 120→132; every 132"},
		"one stays behind, and the others have what it wants": {look: serving(75, 0, 0), with: func(l *autoscale.Look) {
			l.Brokers[1], l.Brokers[2] = broker(2, 132, 50), broker(3, 132, 50)
		}, want: "1: 100→132; every 132"},
		"one is a little smaller than the next": {look: serving(0, 0, 0), with: func(l *autoscale.Look) {
			l.Brokers[0], l.Brokers[1], l.Brokers[2] = broker(1, 100, 66), broker(2, 105, 50), broker(3, 112, 50)
		}, want: "1: 100→112, 2: 105→112; every 112"},
		"its throughput stays": {look: serving(60, 0), with: func(l *autoscale.Look) {
			l.Brokers[0].Shape.ThroughputMiB = 300
			l.Brokers[1].Shape.ThroughputMiB = 300
		}, want: "1: 100→110, 2: 100→110; every 110 and 300 MiB/s"},
		"nobody has said anything":            {look: serving(90), with: func(l *autoscale.Look) { l.Brokers[0].Known = false }, want: "no broker is known"},
		"one has said nothing":                {look: serving(90, 60), with: func(l *autoscale.Look) { l.Brokers[0].Known = false }, want: "1: 100→110, 2: 100→110; every 110"},
		"the last word is of the size before": {look: serving(60), with: func(l *autoscale.Look) { l.Brokers[0].Shape.SizeGiB = 110 }, want: "no broker is known to use"},
		"a volume is not there yet":           {look: serving(90, 90), with: func(l *autoscale.Look) { l.Brokers[1] = autoscale.Broker{ID: 2} }, want: "not every broker has a volume"},
		"there are no brokers":                {look: serving(), want: "no broker is known"},
		"a growth is under way": {look: serving(90), with: func(l *autoscale.Look) {
			l.Cluster.Growing = &cluster.ActiveOperation{ID: "op-7", Type: cluster.UpdateBrokerStorage}
		}, want: "operation op-7 grows them"},
		"it has grown lately": {look: serving(60), with: func(l *autoscale.Look) { l.Growths = grown(time.Hour) }, want: "1: 100→120; every 120"},
		"it has grown often lately": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = grown(7*time.Hour, 5*time.Hour, 2*time.Hour, time.Hour)
		}, want: "1: 100→180; every 180"},
		"it has grown long ago": {look: serving(60), with: func(l *autoscale.Look) { l.Growths = grown(6 * time.Hour) }, want: "1: 100→110; every 110"},
		"it was grown lately by somebody, and merged": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = grown(2*time.Hour, time.Hour)
			l.Growths[0].Storage.Automatic = false
			l.Growths[1].Storage.Merges = true
		}, want: "1: 100→110; every 110"},
		"it has grown as often as it may": {look: serving(60), with: func(l *autoscale.Look) {
			l.Rule.MaxGiB = 16384
			l.Growths = grown(make([]time.Duration, 40)...)
		}, want: "1: 100→2660; every 2660"},
		"a broker is healed": {look: serving(60), with: func(l *autoscale.Look) {
			l.Cluster.Active = &cluster.ActiveOperation{ID: "op-7", Type: cluster.HealBroker}
		}, want: "1: 100→110; every 110"},
		"the cluster is deleted": {look: serving(90), with: func(l *autoscale.Look) {
			l.Cluster.Active = &cluster.ActiveOperation{ID: "op-7", Type: cluster.DeleteCluster}
		}, want: "the cluster is DELETING"},
		"the cluster is made": {look: serving(90), with: func(l *autoscale.Look) {
			l.Cluster.Ready = false
			l.Cluster.Active = &cluster.ActiveOperation{ID: "op-7", Type: cluster.CreateCluster}
		}, want: "the cluster is CREATING"},
		"a growth has failed just now":    {look: serving(60), with: func(l *autoscale.Look) { l.Growths = failed(30 * time.Second) }, want: "op-1, has failed, so the next one is tried at 12:00:30 UTC"},
		"a growth has failed a while ago": {look: serving(60), with: func(l *autoscale.Look) { l.Growths = failed(time.Minute) }, want: "1: 100→110; every 110"},
		"three have failed": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(time.Hour, 10*time.Minute, time.Minute)
		}, want: "op-3, has failed, so the next one is tried at 12:03:00 UTC"},
		"many have failed": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(make([]time.Duration, 20)...)
		}, want: "tried at 12:30:00 UTC"},
		"many have failed, and a volume is nearly full": {look: serving(86), with: func(l *autoscale.Look) {
			l.Growths = failed(make([]time.Duration, 20)...)
		}, want: "tried at 12:05:00 UTC"},
		"somebody has asked for what failed": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(time.Second)
			l.Growths[0].Storage.Automatic = false
		}, want: "1: 100→110; every 110"},
		"what failed was to give no room": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(time.Second)
			l.Growths[0].Storage.Merges = true
		}, want: "1: 100→110; every 110"},
		"the clock was set back since one has failed": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(-6 * time.Hour)
		}, want: "1: 100→110; every 110"},
		"the last growth has not come to all": {look: serving(20, 0), with: func(l *autoscale.Look) {
			l.Brokers[1] = broker(2, 143, 50)
			l.Growths = partway(143)
		}, want: "1: 100→143; every 143"},
		"it has come to none": {look: serving(20), with: func(l *autoscale.Look) { l.Growths = partway(143) }, want: "no broker is known to use 60 %"},
		"somebody wanted one to be larger": {look: serving(20, 0), with: func(l *autoscale.Look) {
			l.Brokers[1] = broker(2, 143, 50)
			l.Growths = partway(143)
			l.Growths[0].Storage.Automatic = false
		}, want: "no broker is known to use 60 %"},
		"it has come to none, and somebody has wanted one to be larger since": {look: serving(20, 0), with: func(l *autoscale.Look) {
			l.Brokers[1] = broker(2, 200, 30)
			l.Growths = partway(143)
		}, want: "no broker is known to use 60 %"},
		"it has given one more than it was to": {look: serving(20, 0), with: func(l *autoscale.Look) {
			l.Brokers[1] = broker(2, 200, 30)
			l.Growths = partway(143)
			l.Growths[0].Storage.Volumes = []cluster.VolumeChange{{NodeID: 2, DoneAt: now.Add(-time.Hour)}}
		}, want: "1: 100→143; every 143"},
		"the last growth has not come to all, and may not": {look: serving(20, 0), with: func(l *autoscale.Look) {
			l.Brokers[1] = broker(2, 143, 50)
			l.Growths, l.Rule.MaxGiB = partway(143), 100
		}, want: "broker 1 has 100 GiB, and others were given 143 GiB by operation op-1; volumes may have 100 GiB at most"},
		"one has failed, and the next one not": {look: serving(60), with: func(l *autoscale.Look) {
			l.Growths = failed(time.Minute, time.Second)
			l.Growths[1].State = cluster.Complete
		}, want: "1: 100→120; every 120"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.with != nil {
				tt.with(&tt.look)
			}
			v := autoscale.Decide(tt.look)
			if got := words(v); !strings.Contains(got, tt.want) || v.Reason == "" {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// A broker whose zone has no volume to give is tried again and again, and wants more each time.
func TestDecide_WhoeverCanGrowIsNotCutIntoSlicesForOneThatCant(t *testing.T) {
	l := serving(60, 55, 55)
	l.Rule.MaxGiB = 16384
	grown := 0
	for used := 60.0; used < 95; used += 0.5 {
		l.Brokers[0].UsedPercent = used
		for i := range l.Brokers[1:] {
			b := &l.Brokers[1+i]
			*b = broker(b.ID, b.Shape.SizeGiB, 100*(used-5)/float64(b.Shape.SizeGiB))
		}
		change := autoscale.Decide(l).Change
		if c, ok := change.Of(2); ok {
			if c.To.SizeGiB < cluster.LargerGiB(c.From.SizeGiB) {
				t.Fatalf("at %g %%: %d→%d", used, c.From.SizeGiB, c.To.SizeGiB)
			}
			l.Brokers[1].Shape, l.Brokers[2].Shape = c.To, c.To
			grown++
		}
	}
	if grown == 0 || grown > cluster.MostFurtherVolumes {
		t.Errorf("grown %d times, to %d GiB", grown, l.Brokers[1].Shape.SizeGiB)
	}
}

func words(v autoscale.Verdict) string {
	text := v.Reason
	if v.Grow {
		var changes []string
		for _, c := range v.Change.Volumes {
			changes = append(changes, fmt.Sprintf("%d: %d→%d", c.NodeID, c.From.SizeGiB, c.To.SizeGiB))
		}
		text = strings.Join(changes, ", ") + fmt.Sprintf("; every %d", v.Change.Every.SizeGiB)
		if v.Change.Every.ThroughputMiB > 0 {
			text += fmt.Sprintf(" and %d MiB/s", v.Change.Every.ThroughputMiB)
		}
	}
	if v.AtMaximum && !v.Grow {
		text += "; at the maximum"
	}
	return text
}

// Whatever is seen: nothing shrinks, nothing goes beyond the maximum, and whoever is full and may grow is below the target once it has,
// or at the maximum. The same look, once the volumes have grown, grows nothing again.
func TestDecide_HoldsWhateverIsSeen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		l := autoscale.Look{
			Now: now, Cluster: cluster.Cluster{Ready: true},
			Rule: cluster.StorageAutoscaling{TargetPercent: 10 + random.IntN(71), MaxGiB: 1 + random.IntN(16384)},
		}
		for id := range int32(1 + random.IntN(6)) {
			b := broker(id+1, 1+random.IntN(2000), 100*random.Float64())
			b.Known = random.IntN(5) > 0
			l.Brokers = append(l.Brokers, b)
		}
		v := autoscale.Decide(l)
		for i := range l.Brokers {
			b := &l.Brokers[i]
			c, changes := v.Change.Of(b.ID)
			if changes {
				if c.From != b.Shape || c.To.SizeGiB <= c.From.SizeGiB || c.To.SizeGiB > l.Rule.MaxGiB {
					t.Fatalf("%+v: %+v", l, v)
				}
				b.Shape = c.To
			}
			percent := b.UsedPercent * float64(b.SeenGiB) / float64(b.Shape.SizeGiB)
			if b.Known && percent >= float64(l.Rule.TargetPercent) && b.Shape.SizeGiB < l.Rule.MaxGiB {
				t.Fatalf("broker %d still uses %g %% of %d GiB: %+v", b.ID, percent, b.Shape.SizeGiB, l)
			}
		}
		if again := autoscale.Decide(l); again.Grow {
			t.Fatalf("it grows once more: %+v after %+v: %+v", again, v, l)
		}
	}
}
