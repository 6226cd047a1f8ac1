package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// customer is who has clusters: they ask for what they want, and ask again when it failed.
type customer struct {
	w   *World
	ctx context.Context
	a   *actor
}

// awaitEnd looks at an operation until it has ended, and gives it as it is then; ended is false when its cluster has gone, and the
// operation with it.
func (u customer) awaitEnd(op cluster.Operation) (now cluster.Operation, ended bool) {
	for {
		u.w.pass(u.a, between(u.a.rng, 3*time.Second, 6*time.Second))
		now, err := u.w.records().Operation(u.ctx, op.ClusterID, op.ID)
		switch {
		case fault.Is(err, fault.NotFound):
			return now, false
		case err == nil && now.Ended():
			return now, true
		}
	}
}

// request is something a customer asks of a cluster, in the order of a cluster's life. Whatever else customers learn to ask for
// is one more of these.
type request struct {
	name string
	// do asks, and comes back once it has happened.
	do func(u customer, c *kafkaCluster)
}

func (u customer) plan(c *kafkaCluster) []request {
	return []request{
		{"create", customer.create},
		{"live through what happens", customer.live},
		{"be well again", customer.recover},
		{"delete", customer.delete},
	}
}

// patience is how long a customer waits for something before they say that it never comes.
const patience = 3 * time.Hour

func (u customer) look(id string) (cluster.Cluster, bool) {
	c, err := u.w.records().Cluster(u.ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		u.w.violate("look at cluster %s: %v", id, err)
	}
	return c, err == nil
}

// start starts the machine of an operation, as the API does. Where that fails the sweep finds it.
func (u customer) start(op cluster.Operation) {
	u.w.pass(u.a, between(u.a.rng, time.Millisecond, 50*time.Millisecond))
	u.w.mu.Lock()
	p := u.w.plane
	u.w.mu.Unlock()
	u.w.note(u.a.name, "starts "+op.ExecutionName())
	if p == nil {
		return
	}
	u.w.start(func() { // it is the control plane that does so, and it may die of it
		_ = p.workflows.Start(context.Background(), op.Machine(), op.ExecutionName(), op.Input()) // the next sweep finds it
	})
}

func (u customer) operation(c *kafkaCluster, kind cluster.OperationType) cluster.Operation {
	id, _ := u.w.newID()
	return cluster.Operation{ID: id, ClusterID: c.id, Type: kind, State: cluster.Pending, Attempt: 1, CreatedAt: time.Now().UTC()}
}

// create has a cluster made, and resumes what failed.
func (u customer) create(k *kafkaCluster) {
	op := u.operation(k, cluster.CreateCluster)
	controllers := 1
	if odds(u.a.rng, 2) {
		controllers = 3
	}
	maximum := 0
	if odds(u.a.rng, 2) {
		maximum = 1000
	}
	c := cluster.Cluster{
		ID: k.id, Name: k.name, KafkaID: k.kafkaID, CreatedAt: time.Now(), Version: "K0",
		Spec: cluster.Spec{
			KafkaVersion: "4.1.x.kraft", Brokers: 3, Controllers: controllers, InstanceType: "kafka.m7g.large",
			Subnets: []string{"subnet-a", "subnet-b", "subnet-c"}, VolumeGiB: 100, ClientBroker: cluster.TLS, InCluster: true,
		},
		Active:  &cluster.ActiveOperation{ID: op.ID, Type: op.Type},
		Healing: cluster.HealingRules{MaxVolumeGiB: maximum},
	}
	if err := u.w.records().CreateCluster(u.ctx, c, op); err != nil {
		u.w.violate("create cluster %s: %v", k.name, err)
		return
	}
	u.start(op)
	if odds(u.a.rng, 3) {
		u.w.disturb(u, k, creationMishaps())
	}
	u.await(k, "to be ACTIVE", func(c cluster.Cluster, there bool) bool {
		if there && c.State() == cluster.Failed {
			if odds(u.a.rng, 10) { // after a while in which EC2 forgets what has ended
				u.w.pass(u.a, between(u.a.rng, time.Hour, 2*time.Hour))
			}
			u.resume(k, op.ID)
		}
		return there && c.State() == cluster.Active
	})
	u.w.mu.Lock()
	k.makeTopics(2 + u.a.rng.IntN(3))
	u.w.mu.Unlock()
}

var errNotFailed = errors.New("the cluster is not FAILED any more")

func (u customer) resume(k *kafkaCluster, id string) {
	_, op, err := u.w.records().ChangeOperation(u.ctx, k.id, id, func(c *cluster.Cluster, op *cluster.Operation) error {
		if !op.TryAgain(c) {
			return errNotFailed
		}
		return nil
	})
	if err != nil {
		return // it will be seen at the next look
	}
	u.w.note(u.a.name, "resumes "+k.name)
	u.start(op)
}

// await looks at a cluster from time to time until something is so. Operations have to end meanwhile.
func (u customer) await(k *kafkaCluster, what string, so func(c cluster.Cluster, there bool) bool) {
	since := time.Now()
	for {
		u.w.pass(u.a, between(u.a.rng, 8*time.Second, 12*time.Second))
		u.w.judgeOperations(k.id)
		c, there := u.look(k.id)
		if so(c, there) {
			return
		}
		if time.Since(since) > patience && (!there || c.State() != cluster.Creating) {
			u.w.violate("%s was to come %s, and is %s after %s: %s", k.name, what, c.State(), patience, u.w.whatIsWrong(k, c))
			return
		}
	}
}

// live lets the cluster work while things break.
func (u customer) live(k *kafkaCluster) {
	k.owner, k.grower = u.declareTopics(k), u.growVolumes(k)
	u.letVolumesGrow(k)
	u.w.mischief(u, k)
}

// recover waits until the cluster is well without anybody's help, now that nothing breaks any more.
func (u customer) recover(k *kafkaCluster) {
	u.w.mu.Lock()
	u.w.weather.clearUpLocked()
	u.w.endFaultsLocked(k)
	k.fills.ebb()
	u.w.noteLocked(u.a.name, "nothing breaks any more")
	u.w.mu.Unlock()
	since := time.Now()
	u.await(k, "to be well again", func(c cluster.Cluster, there bool) bool {
		u.w.mu.Lock()
		well := there && c.State() == cluster.Active && u.w.wellLocked(k)
		u.w.mu.Unlock()
		if there && !well && time.Since(since) > time.Hour && c.Healing.AllowedUntil.IsZero() {
			u.allow(k)
		}
		if there && !well && time.Since(since) > 2*time.Hour {
			u.endImpaired(k)
		}
		return well
	})
	u.w.mu.Lock()
	u.w.judgeHostsLocked(k)
	u.w.mu.Unlock()
	k.grower.end()
	k.grower.settle()
	k.fills.settle()
	u.await(k, "to have log volumes of one volume each again", func(cluster.Cluster, bool) bool { return u.whole(k) })
	k.owner.end()
	k.owner.settle()
}

// allow is what a person does whom the circuit breaker has called.
func (u customer) allow(k *kafkaCluster) {
	_, err := u.w.records().ChangeCluster(u.ctx, k.id, func(c *cluster.Cluster) error {
		c.Healing.AllowedUntil = time.Now().Add(time.Hour)
		return nil
	})
	u.w.note(u.a.name, fmt.Sprintf("allows healing: %v", err))
}

// endImpaired is what a person does where most controllers are on hosts that EC2 says are impaired: nobody judges then that
// one can be done without, and a host that has ended is proof.
func (u customer) endImpaired(k *kafkaCluster) {
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	for _, h := range u.w.cloud.hosts {
		if h.token.ClusterID == k.id && h.impaired && h.state == cluster.HostRunning {
			u.w.noteLocked(u.a.name, "ends "+h.id)
			u.w.cloud.endLocked(h, "somebody has ended the host")
		}
	}
}

// delete has the cluster deleted, again where that failed, and sees that nothing is left.
func (u customer) delete(k *kafkaCluster) {
	var asked string
	if odds(u.a.rng, 2) {
		u.w.disturb(u, k, deletionMishaps())
	}
	if odds(u.a.rng, 2) {
		u.w.start(func() { // who does not know that the cluster is to go
			u.w.pass(k.owner.a, between(k.owner.a.rng, time.Second, 15*time.Second))
			k.owner.change()
			k.owner.apply(k.owner.permits())
		})
	}
	if odds(u.a.rng, 2) {
		u.w.start(func() {
			u.w.pass(k.grower.a, between(k.grower.a.rng, time.Second, 15*time.Second))
			k.grower.grow(k.grower.newWish())
		})
	}
	u.await(k, "to be deleted", func(c cluster.Cluster, there bool) bool {
		if there && c.State() != cluster.Deleting {
			op := u.operation(k, cluster.DeleteCluster)
			_, err := u.w.records().StartOperation(u.ctx, k.id, op, func(c *cluster.Cluster) error {
				if s := c.State(); s != cluster.Active && s != cluster.Failed {
					return fault.New(fault.Conflict, "a cluster that is %s can't be deleted", s)
				}
				c.Active = &cluster.ActiveOperation{ID: op.ID, Type: op.Type}
				return nil
			})
			if err == nil {
				u.w.mu.Lock()
				k.deleting = true
				u.w.mu.Unlock()
				asked = op.ID
				u.start(op)
			}
		}
		return asked != "" && !there
	})
}

// whatIsWrong says in a line why a cluster is not well.
func (w *World) whatIsWrong(k *kafkaCluster, c cluster.Cluster) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	if c.Failure != nil {
		text = c.Failure.Message + "; "
	}
	for _, h := range w.cloud.hosts {
		if h.token.ClusterID != k.id || h.gone() {
			continue
		}
		state := "no agent"
		if h.agent != nil {
			state = fmt.Sprintf("%s %s", h.agent.state, h.agent.reason)
		}
		text += fmt.Sprintf("host %d of node %d is %s (%s); ", h.token.Attempt, h.token.NodeID, h.state, state)
	}
	for _, p := range k.partitions {
		text += fmt.Sprintf("%s leader %d in sync %v; ", p.name, p.leader, p.inSync)
	}
	if item, err := w.table.get(healthKey(k.id)); err == nil {
		text += findings(item.Body)
	}
	return text
}

// findings says of a health record what is not well.
func findings(body []byte) string {
	var h cluster.Health
	if err := json.Unmarshal(body, &h); err != nil {
		return err.Error()
	}
	text := "judged"
	if h.Breaker != "" {
		text += " (" + h.Breaker + ")"
	}
	for _, f := range h.Findings {
		if f.Condition != cluster.Well {
			text += fmt.Sprintf("; %s %d is %s: %s; remedy %q, waits: %q, advice: %q", f.Role, f.NodeID, f.Condition, f.Reason, f.Remedy,
				f.Waits, f.Advice)
		}
	}
	return text
}

// wellLocked tells whether everything of a cluster works, by its own account: every replica is in sync, every voter there.
func (w *World) wellLocked(k *kafkaCluster) bool {
	now := time.Now()
	if k.fullSince.IsZero() || now.Sub(k.fullSince) < 30*time.Second || k.active == 0 {
		return false
	}
	for _, id := range k.voters {
		if w.kafka.voter(k, id, now) == nil {
			return false
		}
	}
	return !slices.ContainsFunc(k.brokers, func(b *broker) bool { return k.live(b.id, now) == nil })
}
