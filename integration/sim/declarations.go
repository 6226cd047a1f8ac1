package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// application is a declaration as a customer has had it applied.
type application struct {
	id, clusterID string
	asked, ended  time.Time // ended is zero while it is at work
	topics        []cluster.DeclaredTopic
	permits       cluster.TopicPermits
	protected     []string // topics that the declaration before protects
}

// owner is who declares the topics of a cluster, and what they have declared last.
type owner struct {
	customer
	cluster  *kafkaCluster
	declared map[string]cluster.DeclaredTopic
	last     []cluster.DeclaredTopic // what they have had applied last
	done     chan struct{}           // closed when they declare nothing new any more
}

// declareTopics lets somebody declare topics while other things happen to a cluster, and somebody else change topics beside it.
func (u customer) declareTopics(k *kafkaCluster) *owner {
	ctx, a := u.w.as(u.ctx, "owner of the topics of "+k.name, nil)
	o := &owner{customer: customer{u.w, ctx, a}, cluster: k, declared: map[string]cluster.DeclaredTopic{}, done: make(chan struct{})}
	u.w.start(func() {
		defer close(o.done)
		for range 1 + a.rng.IntN(3) {
			o.awaitTrouble(between(a.rng, 5*time.Second, 8*time.Minute))
			o.change()
			o.apply(o.permits())
			if odds(a.rng, 2) {
				o.meddle()
			}
			if odds(a.rng, 2) {
				o.deleteProtected()
			}
		}
	})
	return o
}

// awaitTrouble waits for so long, or until something breaks: what is declared then has to be made in the middle of it.
func (o *owner) awaitTrouble(atMost time.Duration) {
	for since := time.Now(); time.Since(since) < atMost; {
		o.w.pass(o.a, between(o.a.rng, time.Second, 10*time.Second))
		o.w.mu.Lock()
		struck := o.w.struck
		o.w.mu.Unlock()
		if struck.After(since) && odds(o.a.rng, 2) {
			return
		}
	}
}

// deleteProtected asks the API to delete a topic that is protected, which it must not do.
func (o *owner) deleteProtected() {
	o.w.mu.Lock()
	p := o.w.plane
	o.w.mu.Unlock()
	at := slices.IndexFunc(o.last, func(t cluster.DeclaredTopic) bool { return t.Protected })
	if p == nil || at < 0 {
		return
	}
	answered := make(chan struct{})
	o.w.start(func() { // it is the control plane that is asked, and it may die of it
		defer close(answered)
		payload := fmt.Sprintf(`{"step":"DeleteTopic","clusterId":%q,"topic":%q}`, o.cluster.id, o.last[at].Name)
		_, _ = p.Invoke(o.ctx, "topicadmin", []byte(payload)) // whatever it says, the topic has to be there
	})
	<-answered
	o.w.pass(o.a, between(o.a.rng, time.Second, 5*time.Second))
}

// end waits until nothing new is declared any more.
func (o *owner) end() {
	<-o.done
	o.w.pass(o.a, between(o.a.rng, time.Second, 5*time.Second))
}

// sweptWithin is how long after a change of topics the sweep has found it, when nothing else is the matter.
const sweptWithin = 20 * time.Minute

// settle sees that the last declaration can be carried out now that nothing breaks any more, and that drift is found.
func (o *owner) settle() {
	o.mend()
	for tries := 1; !o.apply(o.allPermits()); tries++ {
		if tries == 5 {
			o.w.violate("the topics of %s can't be made as declared, although nothing breaks", o.cluster.name)
			return
		}
	}
	if !odds(o.a.rng, 4) {
		return
	}
	if !o.meddle() {
		return
	}
	o.await("drift", func() bool {
		drift, err := o.w.records().TopicDrift(o.ctx, o.cluster.id)
		return err == nil && drift.Count > 0
	})
	o.mend()
	if o.apply(o.allPermits()) {
		o.await("no drift any more", func() bool {
			drift, err := o.w.records().TopicDrift(o.ctx, o.cluster.id)
			return err == nil && drift.Count == 0
		})
	}
}

func (o *owner) await(what string, so func() bool) {
	for since := time.Now(); !so(); o.w.pass(o.a, between(o.a.rng, 20*time.Second, 40*time.Second)) {
		if time.Since(since) > sweptWithin {
			o.w.violate("nobody reports %s of the topics of %s within %s", what, o.cluster.name, sweptWithin)
			return
		}
	}
}

// change declares something else than before: mostly what can be done.
func (o *owner) change() {
	r := o.a.rng
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	for n := range 6 {
		name := fmt.Sprintf("topic-%d", n)
		now, there := o.cluster.topics[name], o.cluster.topics[name] != nil
		t, declared := o.declared[name]
		switch {
		case !declared && odds(r, 2):
			t = cluster.DeclaredTopic{TopicSpec: cluster.TopicSpec{Name: name, Partitions: 1 + r.IntN(4), ReplicationFactor: 1 + r.IntN(3)}}
			if there {
				t.Partitions, t.ReplicationFactor = now.Partitions+r.IntN(2), now.ReplicationFactor
			}
			t.Configs, t.Protected = o.configs(), odds(r, 3)
		case !declared:
			continue
		case odds(r, 5):
			delete(o.declared, name)
			continue
		case odds(r, 3):
			t.Partitions += 1 + r.IntN(2)
			if there {
				t.Partitions = max(t.Partitions, now.Partitions)
			}
		case odds(r, 3):
			t.Configs = o.configs()
		case odds(r, 3):
			t.Protected = !t.Protected
		case odds(r, 20): // which is refused
			t.Partitions = 1
		}
		o.declared[name] = t
	}
}

func (o *owner) configs() map[string]string {
	all := [][2]string{{"retention.ms", "86400000"}, {"retention.ms", "172800000"}, {"min.insync.replicas", "1"}, {"max.message.bytes", "2000000"}}
	configs := map[string]string{}
	for range o.a.rng.IntN(3) {
		c := all[o.a.rng.IntN(len(all))]
		configs[c[0]] = c[1]
	}
	return configs
}

// mend declares what can't be undone as it is: that a topic has so many partitions, and so many replicas.
func (o *owner) mend() {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	for name, t := range o.declared {
		if now := o.cluster.topics[name]; now != nil {
			t.Partitions, t.ReplicationFactor = max(t.Partitions, now.Partitions), now.ReplicationFactor
			o.declared[name] = t
		}
	}
}

// permits allow most of what takes leave, and sometimes what can't be had.
func (o *owner) permits() cluster.TopicPermits {
	p := o.allPermits()
	p.Delete = slices.DeleteFunc(p.Delete, func(string) bool { return odds(o.a.rng, 2) })
	for _, t := range o.last {
		if _, still := o.declared[t.Name]; !still && t.Protected && odds(o.a.rng, 4) {
			p.Delete = append(p.Delete, t.Name)
		}
	}
	p.Discard = slices.DeleteFunc(p.Discard, func(string) bool { return odds(o.a.rng, 20) })
	return p
}

// allPermits allow all that can be allowed.
func (o *owner) allPermits() (p cluster.TopicPermits) {
	for _, t := range o.last {
		if _, still := o.declared[t.Name]; !still && !t.Protected {
			p.Delete = append(p.Delete, t.Name)
		}
	}
	p.Discard = slices.Sorted(maps.Keys(o.declared))
	return p
}

// meddle is what somebody does by Kafka's own tools, who knows nothing of declarations. It tells whether a topic is no longer as it
// is declared.
func (o *owner) meddle() bool {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	r, k := o.a.rng, o.cluster
	var names []string
	for _, t := range o.last {
		if k.topics[t.Name] != nil {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 || !o.w.kafka.leads(k, time.Now()) || odds(r, 5) {
		name := fmt.Sprintf("stray-%d", r.IntN(3))
		if o.w.kafka.leads(k, time.Now()) && k.createTopic(cluster.TopicSpec{Name: name, Partitions: 1, ReplicationFactor: 3}, false) == nil {
			o.w.kafka.change(k, time.Now())
			o.w.noteLocked(o.a.name, "makes "+name+" by hand")
		}
		return false
	}
	name := names[r.IntN(len(names))]
	k.touched[name] = time.Now()
	var err error
	what := ""
	switch r.IntN(3) {
	case 0:
		what, err = "deletes "+name, k.deleteTopic(name)
	case 1:
		value := fmt.Sprint(3600000 + r.IntN(1000))
		what, err = "configures "+name, k.configureTopic(name, []cluster.ConfigChange{{Name: "retention.ms", To: &value}}, false)
	default:
		what, err = "grows "+name, k.growTopic(name, k.topics[name].Partitions+1, false)
	}
	if err != nil {
		o.w.violateLocked("%s: %v", what, err)
	}
	o.w.kafka.change(k, time.Now())
	o.w.noteLocked(o.a.name, what+" by hand")
	return true
}

// apply has the declaration carried out as the API does, and waits for the end. It tells whether that went well.
func (o *owner) apply(permits cluster.TopicPermits) bool {
	op := o.operation(o.cluster, cluster.ApplyTopics)
	app := &application{id: op.ID, clusterID: o.cluster.id, permits: permits}
	for _, name := range slices.Sorted(maps.Keys(o.declared)) {
		app.topics = append(app.topics, o.declared[name])
	}
	for _, t := range o.last {
		if t.Protected {
			app.protected = append(app.protected, t.Name)
		}
	}
	now, there := o.look(o.cluster.id)
	if !there {
		return false
	}
	soFar, err := o.w.records().DeclaredSoFar(o.ctx, now)
	if err != nil {
		o.w.note(o.a.name, "can't read what is declared: "+err.Error())
		return false
	}
	op.Topics = &cluster.TopicsApplication{Permits: permits}
	declaration := cluster.Declaration{ID: op.ID, At: time.Now().UTC(), Topics: app.topics}.After(soFar)
	o.w.mu.Lock()
	app.asked = time.Now()
	o.w.applications = append(o.w.applications, app)
	o.w.mu.Unlock()
	_, err = o.w.records().StartApplication(o.ctx, o.cluster.id, op, declaration, func(c *cluster.Cluster) error {
		if !c.Serves() || c.Applying != nil || c.Declaration != now.Declaration {
			return fault.New(fault.Conflict, "the topics of a cluster that is %s, applying %+v, can't be declared", c.State(), c.Applying)
		}
		c.Declaration = op.ID
		op.Claim(c)
		return nil
	})
	if err != nil {
		o.w.note(o.a.name, "is refused: "+err.Error())
		return false
	}
	o.last = app.topics
	o.start(op)
	is, ended := o.awaitEnd(op)
	return ended && is.State == cluster.Complete
}

// judgeDeletionLocked sees that a topic which the control plane deletes is one that somebody has given it leave to delete. A call
// that was given up may go on for a while after its operation has ended.
func (w *World) judgeDeletionLocked(c *kafkaCluster, name string) {
	for _, app := range w.applications {
		recent := app.ended.IsZero() || time.Since(app.ended) < longestCall
		if app.clusterID != c.id || !recent || !slices.Contains(app.permits.Delete, name) {
			continue
		}
		if slices.Contains(app.protected, name) {
			w.violateLocked("topic %s of %s is deleted, which is protected", name, c.name)
		}
		return
	}
	w.violateLocked("topic %s of %s is deleted, and nobody has permitted it", name, c.name)
}

// watchApplication sees that the topics are as declared when it is said that they are.
func (w *World) watchApplicationLocked(op cluster.Operation) {
	i := slices.IndexFunc(w.applications, func(app *application) bool { return app.id == op.ID })
	if i < 0 || !w.applications[i].ended.IsZero() || !op.Ended() {
		return
	}
	app := w.applications[i]
	app.ended = time.Now()
	w.stats.Applications++
	c := w.kafka.ofCluster(op.ClusterID)
	if op.State != cluster.Complete {
		return
	}
	for _, t := range app.topics {
		if now := c.topics[t.Name]; c.touched[t.Name].Before(app.asked) {
			if difference := differs(t.TopicSpec, now); difference != "" {
				w.violateLocked("operation %s has applied the topics of %s, and yet %s %s", op.ID, c.name, t.Name, difference)
			}
		}
	}
	for _, name := range app.permits.Delete {
		if c.topics[name] != nil && c.touched[name].Before(app.asked) {
			w.violateLocked("operation %s was to delete %s of %s, and it is there", op.ID, name, c.name)
		}
	}
}

func differs(declared cluster.TopicSpec, t *topic) string {
	switch {
	case t == nil:
		return "is not there"
	case t.Partitions != declared.Partitions:
		return fmt.Sprintf("has %d partitions instead of %d", t.Partitions, declared.Partitions)
	case t.ReplicationFactor != declared.ReplicationFactor:
		return fmt.Sprintf("has %d replicas instead of %d", t.ReplicationFactor, declared.ReplicationFactor)
	case !maps.Equal(t.Configs, declared.Configs):
		return fmt.Sprintf("has %v set instead of %v", t.Configs, declared.Configs)
	}
	return ""
}

// watchClusters sees that topics are applied beside everything else: who does so never holds the cluster, and leaves it as it is.
func (w *World) watchClusters(key records.Key, before, after []byte) {
	if key.Partition != "clusters" || before == nil {
		return
	}
	var old, now cluster.Cluster
	if json.Unmarshal(before, &old) != nil || json.Unmarshal(after, &now) != nil {
		w.violate("the record of cluster %s can't be read", key.Sort)
		return
	}
	if now.Active != nil && now.Active.Type == cluster.ApplyTopics {
		w.violate("cluster %s is held by operation %s, which applies topics", now.Name, now.Active.ID)
	}
	begins, ends := old.Applying == nil && now.Applying != nil, old.Applying != nil && now.Applying == nil
	if (begins || ends) && (now.State() != old.State() || now.Version != old.Version) {
		w.violate("cluster %s was %s %s, and is %s %s because its topics are applied", now.Name, old.State(), old.Version, now.State(), now.Version)
	}
}

// holder tells what of a cluster there may be one operation at a time for.
func holder(op cluster.Operation) string {
	switch {
	case op.Type.HoldsCluster():
		return op.ClusterID
	case op.Type == cluster.ApplyTopics:
		return "the topics of " + op.ClusterID
	default:
		return "the volumes of " + op.ClusterID
	}
}
