package sim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	access "github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// bug is one that somebody could make. It is planted in the wiring: a step, or what one depends on, is another.
type bug struct {
	name  string
	plant func(*Wiring)
}

// within is how many seeds it may take to find a bug.
const within = 500

func bugs() []bug {
	return []bug{
		{"the host is not fenced", func(w *Wiring) {
			w.World.cloud.lax = true
			replace(w, "provisioning", "FenceHost", func(context.Context, provisioning.FenceHostInput) (provisioning.SecondLook, error) {
				return provisioning.SecondLook{}, nil
			})
			replace(w, "provisioning", "CheckHostFenced", func(context.Context, provisioning.CheckNodeInput) (provisioning.CheckOutput, error) {
				return provisioning.CheckOutput{Done: true}, nil
			})
		}},
		{"the volume is attached before its host has ended", func(w *Wiring) {
			w.World.cloud.lax = true
			w.Provisioning.Platform.Hosts = endsAtOnce{w.World.cloud}
		}},
		{"a launch uses the token of the first one", func(w *Wiring) {
			w.Provisioning.Platform.Hosts = firstToken{w.World.cloud}
		}},
		{"a launch is not recorded before it is made", func(w *Wiring) {
			w.World.cloud.lax = true
			w.Provisioning.Platform.Hosts = &freshToken{cloud: w.World.cloud}
		}},
		{"nobody asks whether the broker can be done without", func(w *Wiring) {
			replace(w, "brokerreplacement", "JudgeReplacement",
				func(context.Context, brokerreplacement.Input) (brokerreplacement.JudgeReplacementOutput, error) {
					return brokerreplacement.JudgeReplacementOutput{Safe: true, JudgedAt: time.Now()}, nil
				})
		}},
		{"two heal at once", func(w *Wiring) {
			w.Health.Records.Table = changed{w.World.table, func(item *records.Item) {
				if item.Partition == "clusters" {
					edit(item, func(c *cluster.Cluster) { c.Active = nil })
				}
			}}
		}},
		{"a late look acts on the new host", func(w *Wiring) {
			w.Health.Records.Table = &stale{table: w.World.table, kept: map[string]memory{}}
			rewire(w, func(functions map[string]serve.Steps) {
				steps := functions["provisioning"]
				retire := steps["RetireHost"]
				steps["FenceHost"] = serve.New(func(ctx context.Context, in provisioning.NodeInput) (provisioning.SecondLook, error) {
					payload, err := json.Marshal(map[string]any{"step": "RetireHost", "clusterId": in.ClusterID, "nodeId": in.NodeID})
					if err == nil {
						_, err = serve.Steps{"RetireHost": retire}.Invoke(ctx, payload)
					}
					return provisioning.SecondLook{}, err
				})
			})
		}},
		{"a volume that is not new is formatted", func(w *Wiring) {
			w.World.reckless = true
			w.Provisioning.Records.Table = saysNew{w.World.table}
		}},
		{"a volume is deleted that is needed", func(w *Wiring) {
			rewire(w, func(functions map[string]serve.Steps) {
				fenced := functions["provisioning"]["CheckHostFenced"]
				functions["provisioning"]["CheckHostFenced"] = serve.New(
					func(ctx context.Context, in provisioning.CheckNodeInput) (out provisioning.CheckOutput, err error) {
						payload, err := json.Marshal(map[string]any{
							"step": "CheckHostFenced", "clusterId": in.ClusterID, "operationId": in.OperationID, "nodeId": in.NodeID,
						})
						if err != nil {
							return out, err
						}
						answer, err := serve.Steps{"CheckHostFenced": fenced}.Invoke(ctx, payload)
						if err != nil {
							return out, err
						}
						if err = json.Unmarshal(answer, &out); err == nil && out.Done { // it cleans up what the host has left
							err = w.World.cloud.DeleteVolume(ctx, cluster.Token{ClusterID: in.ClusterID, NodeID: in.NodeID})
						}
						return out, err
					})
			})
		}},
		{"nothing gives up", func(w *Wiring) {
			patient := changed{w.World.table, func(item *records.Item) {
				if strings.HasPrefix(item.Partition, "operations#") {
					edit(item, func(op *cluster.Operation) {
						if !op.Deadline.IsZero() {
							op.Deadline = op.Deadline.AddDate(1, 0, 0)
						}
					})
				}
			}}
			w.Provisioning.Records.Table, w.Replacement.Records.Table = patient, patient
		}},
		{"an address is left after the delete", func(w *Wiring) {
			replace(w, "provisioning", "ReleaseAddress", func(context.Context, provisioning.NodeInput) (provisioning.Empty, error) {
				return provisioning.Empty{}, nil
			})
		}},
		{"silence counts as death", func(w *Wiring) {
			w.Health.Hosts = silenceIsDeath{w.World.cloud, w.World}
			w.Provisioning.Platform.Hosts = silenceIsDeath{w.World.cloud, w.World} // or whoever ends the host would notice
		}},
		{"volumes count as grown as soon as EBS has been asked", func(w *Wiring) {
			replace(w, "provisioning", "CheckVolumeGrown", func(context.Context, provisioning.CheckNodeInput) (provisioning.CheckOutput, error) {
				return provisioning.CheckOutput{Done: true}, nil
			})
			replace(w, "provisioning", "JudgeGrowth", func(context.Context, provisioning.JudgeGrowthInput) (provisioning.JudgeGrowthOutput, error) {
				return provisioning.JudgeGrowthOutput{Changed: true}, nil
			})
		}},
		{"a volume that EBS does not change is passed over", func(w *Wiring) {
			replace(w, "provisioning", "JudgeGrowth", func(context.Context, provisioning.JudgeGrowthInput) (provisioning.JudgeGrowthOutput, error) {
				return provisioning.JudgeGrowthOutput{Changed: true}, nil
			})
		}},
		{"volumes grow by themselves twice for one look", func(w *Wiring) {
			w.Storage.Records.Table = changed{w.World.table, func(item *records.Item) { // what was said of the size before counts for that after
				if strings.HasPrefix(item.Partition, "operations#") {
					edit(item, func(op *cluster.Operation) {
						if op.Storage == nil {
							return
						}
						for i := range op.Storage.Volumes {
							op.Storage.Volumes[i].RoomBytes = 0
						}
					})
				}
			}}
		}},
		{"volumes grow by themselves by what was known minutes ago", func(w *Wiring) {
			w.Storage.Records.Table = &stale{table: w.World.table, kept: map[string]memory{}}
		}},
		{"volumes grow by themselves without end", func(w *Wiring) {
			w.Storage.Records.Table = changed{w.World.table, func(item *records.Item) {
				if item.Partition == "storage-scaling" {
					edit(item, func(s *cluster.StorageScaling) { s.Target.MaxGiB = 16384 })
				}
			}}
		}},
		{"nobody looks at volumes that fill when the event is lost", func(w *Wiring) {
			rewire(w, func(functions map[string]serve.Steps) {
				sweep := functions["healthsweep"]["SweepHealth"]
				functions["healthsweep"]["SweepHealth"] = serve.New(
					func(ctx context.Context, in healthsweep.SweepHealthInput) (out healthsweep.SweepHealthOutput, err error) {
						payload, err := json.Marshal(map[string]any{"step": "SweepHealth", "cluster": in.Cluster, "startedAt": in.StartedAt})
						if err != nil {
							return out, err
						}
						answer, err := serve.Steps{"SweepHealth": sweep}.Invoke(ctx, payload)
						if err != nil {
							return out, err
						}
						err = json.Unmarshal(answer, &out)
						out.StorageDue = false
						return out, err
					})
			})
		}},
		{"a further volume is made before it is on record", func(w *Wiring) {
			w.Provisioning.Platform.Volumes = madeFirst{w.World.cloud}
		}},
		{"a further volume is deleted before its host has left it", func(w *Wiring) {
			w.Provisioning.Records.Table = changed{w.World.table, func(item *records.Item) {
				if strings.HasPrefix(item.Partition, "beat#") {
					edit(item, func(b *nodespec.Heartbeat) {
						if b.Disk != nil && len(b.Disk.Volumes) > 1 {
							b.Disk.Left, b.Disk.Volumes = b.Disk.Volumes[1:], b.Disk.Volumes[:1]
						}
					})
				}
			}}
		}},
		{"a replacement forgets further volumes", func(w *Wiring) {
			replace(w, "provisioning", "AttachVolume", func(ctx context.Context, in provisioning.NodeInput) (provisioning.Empty, error) {
				n, err := w.World.records().Node(ctx, in.ClusterID, in.NodeID)
				if err == nil {
					err = w.World.cloud.AttachVolume(ctx, n.Volume.ID, n.Host.ID)
				}
				return provisioning.Empty{}, err
			})
		}},
		{"a delete forgets further volumes", func(w *Wiring) {
			replace(w, "provisioning", "RemoveVolume", func(ctx context.Context, in provisioning.NodeInput) (provisioning.Empty, error) {
				return provisioning.Empty{}, w.World.cloud.DeleteVolume(ctx, cluster.Token{ClusterID: in.ClusterID, NodeID: in.NodeID})
			})
		}},
		{"nobody merges volumes", func(w *Wiring) {
			w.Storage.Records.Table = changed{w.World.table, func(item *records.Item) {
				if strings.HasPrefix(item.Partition, "nodes#") {
					edit(item, func(n *cluster.Node) {
						if n.Volume != nil {
							n.Volume.Further = nil
						}
					})
				}
			}}
		}},
		{"a topic is made anew to be configured", func(w *Wiring) {
			w.Topics.Kafka = madeAnew{admin{w: w.World}}
		}},
		{"a change of a topic whose answer is lost counts as made, and nobody looks", func(w *Wiring) {
			w.Topics.Kafka = takenForMade{admin{w: w.World}}
			replace(w, "topicadmin", "CheckTopics", func(context.Context, topicadmin.ApplicationInput) (topicadmin.CheckTopicsOutput, error) {
				return topicadmin.CheckTopicsOutput{Done: true}, nil
			})
		}},
		{"protection of topics is forgotten", func(w *Wiring) {
			w.Topics.Records.Table = changed{w.World.table, func(item *records.Item) {
				if strings.HasPrefix(item.Partition, "declarations#") {
					unprotect(item)
				}
			}}
		}},
		{"nobody lets go of the topics", func(w *Wiring) {
			w.Operations.Records.Table = holdsTopics{w.World.table}
		}},
	}
}

// rewire changes the steps, after whatever changes them already.
func rewire(w *Wiring, wrap func(map[string]serve.Steps)) {
	before := w.Wrap
	w.Wrap = func(functions map[string]serve.Steps) {
		if before != nil {
			before(functions)
		}
		wrap(functions)
	}
}

func replace[I, O any](w *Wiring, function, step string, run func(context.Context, I) (O, error)) {
	rewire(w, func(functions map[string]serve.Steps) { functions[function][step] = serve.New(run) })
}

// endsAtOnce takes a host that is shutting down for one that has ended.
type endsAtOnce struct{ *cloud }

func (p endsAtOnce) Host(ctx context.Context, id string) (cluster.Host, error) {
	h, err := p.cloud.Host(ctx, id)
	return ended(h), err
}

func (p endsAtOnce) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	h, err := p.cloud.LaunchHost(ctx, r)
	return ended(h), err
}

func ended(h cluster.Host) cluster.Host {
	if h.State == cluster.HostShuttingDown {
		h.State = cluster.HostTerminated
	}
	return h
}

// firstToken launches every host of a node as its first one.
type firstToken struct{ *cloud }

func (p firstToken) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	r.Token.Attempt = 1
	return p.cloud.LaunchHost(ctx, r)
}

// freshToken launches with another token at every call.
type freshToken struct {
	*cloud
	calls int
}

func (p *freshToken) LaunchHost(ctx context.Context, r cluster.HostRequest) (cluster.Host, error) {
	p.w.mu.Lock()
	p.calls++
	r.Token.Attempt = 1000 + p.calls
	p.w.mu.Unlock()
	return p.cloud.LaunchHost(ctx, r)
}

// madeFirst makes a further volume as soon as EBS takes no change of the first.
type madeFirst struct{ *cloud }

func (p madeFirst) GrowVolume(ctx context.Context, id string, want cluster.VolumeShape) error {
	err := p.cloud.GrowVolume(ctx, id, want)
	if fault.ReasonOf(err) != cluster.VolumeRests {
		return err
	}
	p.w.mu.Lock()
	v := p.volumeByID(id)
	token, gib := v.token, want.SizeGiB-p.togetherGiB(v)
	p.w.mu.Unlock()
	token.Volume = 1
	if _, failed := p.EnsureVolume(ctx, cluster.VolumeRequest{Token: token, SizeGiB: max(1, gib), WholeGiB: want.SizeGiB}); failed != nil {
		return failed
	}
	return err
}

// changed is a table whose items are read as somebody wants them.
type changed struct {
	*table
	change func(item *records.Item)
}

func (t changed) Get(ctx context.Context, key records.Key) (records.Item, error) {
	item, err := t.table.Get(ctx, key)
	if err == nil {
		t.change(&item)
	}
	return item, err
}

func (t changed) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	items, err := t.table.Query(ctx, partition, prefix, after, limit)
	for i := range items {
		t.change(&items[i])
	}
	return items, err
}

// stale is a table that remembers the nodes of clusters for minutes.
type stale struct {
	*table
	kept map[string]memory
}

type memory struct {
	items []records.Item
	at    time.Time
}

func (t *stale) Query(ctx context.Context, partition, prefix, after string, limit int) ([]records.Item, error) {
	if !strings.HasPrefix(partition, "nodes#") {
		return t.table.Query(ctx, partition, prefix, after, limit)
	}
	t.mu.Lock()
	kept, ok := t.kept[partition]
	t.mu.Unlock()
	if ok && time.Since(kept.at) < 4*time.Minute {
		return kept.items, nil
	}
	items, err := t.table.Query(ctx, partition, prefix, after, limit)
	if err == nil {
		t.mu.Lock()
		t.kept[partition] = memory{items, time.Now()}
		t.mu.Unlock()
	}
	return items, err
}

// saysNew is a table in which every spec says that its volume is new.
type saysNew struct{ *table }

func (t saysNew) Write(ctx context.Context, writes ...records.Write) error {
	for i, w := range writes {
		if strings.HasPrefix(w.Key.Partition, "spec#") && !w.Delete {
			writes[i].Body = []byte(strings.Replace(string(w.Body), `"new":false`, `"new":true`, 1))
		}
	}
	return t.table.Write(ctx, writes...)
}

// silenceIsDeath takes hosts that are not heard for dead.
type silenceIsDeath struct {
	*cloud
	w *World
}

func (p silenceIsDeath) HostStates(ctx context.Context, ids []string) (map[string]cluster.Host, error) {
	states, err := p.cloud.HostStates(ctx, ids)
	for id, h := range states {
		states[id] = p.heard(ctx, h)
	}
	return states, err
}

func (p silenceIsDeath) Host(ctx context.Context, id string) (cluster.Host, error) {
	h, err := p.cloud.Host(ctx, id)
	return p.heard(ctx, h), err
}

func (p silenceIsDeath) heard(ctx context.Context, h cluster.Host) cluster.Host {
	beat, ok, err := p.w.records().LastBeat(ctx, h.ID)
	if err == nil && ok && time.Since(beat.At) > 90*time.Second {
		h.State = cluster.HostTerminated
	}
	return h
}

// madeAnew deletes a topic and makes it again, where its configuration is to change.
type madeAnew struct{ admin }

func (k madeAnew) ConfigureTopic(ctx context.Context, a access.Access, name string, changes []cluster.ConfigChange, validateOnly bool) error {
	if validateOnly {
		return nil
	}
	t, err := k.Topic(ctx, a, name)
	if err != nil {
		return err
	}
	for _, change := range changes {
		delete(t.Configs, change.Name)
		if change.To != nil {
			t.Configs[change.Name] = *change.To
		}
	}
	if err := k.DeleteTopic(ctx, a, name); err != nil {
		return err
	}
	spec := cluster.TopicSpec{Name: name, Partitions: len(t.Partitions), ReplicationFactor: t.ReplicationFactor(), Configs: t.Configs}
	return k.CreateTopic(ctx, a, spec, false)
}

// takenForMade hears no error of those who make topics.
type takenForMade struct{ admin }

func (k takenForMade) CreateTopic(ctx context.Context, a access.Access, t cluster.TopicSpec, validateOnly bool) error {
	_ = k.admin.CreateTopic(ctx, a, t, validateOnly) // that is the bug
	return nil
}

// unprotect reads a declaration as if no topic were protected.
func unprotect(item *records.Item) {
	zipped, err := gzip.NewReader(bytes.NewReader(item.Body))
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(zipped)
	if err != nil {
		panic(err)
	}
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	_, err = zip.Write(bytes.ReplaceAll(text, []byte(`"protected":true`), []byte(`"protected":false`)))
	if err := errors.Join(err, zip.Close()); err != nil {
		panic(err)
	}
	item.Body = body.Bytes()
}

// holdsTopics is a table in which whoever holds the topics of a cluster does so for ever.
type holdsTopics struct{ *table }

func (t holdsTopics) Write(ctx context.Context, writes ...records.Write) error {
	for i, w := range writes {
		before, err := t.get(w.Key)
		if w.Key.Partition != "clusters" || w.Delete || err != nil {
			continue
		}
		var was cluster.Cluster
		if err := json.Unmarshal(before.Body, &was); err != nil {
			panic(err)
		}
		now := records.Item{Body: w.Body}
		edit(&now, func(c *cluster.Cluster) {
			if c.Applying == nil {
				c.Applying = was.Applying
			}
		})
		writes[i].Body = now.Body
	}
	return t.table.Write(ctx, writes...)
}

func TestBugs_AreFound(t *testing.T) {
	for i, b := range bugs() {
		t.Run(b.name, func(t *testing.T) {
			if testing.Short() && i%4 != 1 {
				t.Skip("it takes long")
			}
			t.Parallel()
			for seed := range uint64(within) {
				if r := Run(t, 1+seed, Options{Plant: b.plant}); len(r.Violations) > 0 {
					t.Logf("found at seed %d: %s", r.Seed, r.Violations[0])
					return
				}
			}
			t.Errorf("not found within %d seeds", within)
		})
	}
}
