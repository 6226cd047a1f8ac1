package cluster

import (
	"fmt"
	"slices"
	"time"
)

// OperationType is what an operation does, in MSK's words where MSK has one.
type OperationType string

const (
	CreateCluster OperationType = "CREATE_CLUSTER"
	DeleteCluster OperationType = "DELETE_CLUSTER"
	// HealBroker heals one node, broker or controller. MSK has no word for it.
	HealBroker OperationType = "HEAL_BROKER"
	// ApplyTopics makes a cluster's topics as they are declared. MSK has no word for it. It holds the cluster's topics and not the
	// cluster: topics can be made while a cluster is updated or healed.
	ApplyTopics OperationType = "APPLY_TOPICS"
	// UpdateBrokerStorage and UpdateStorage grow the volumes of brokers, or let them take and give more in a second.
	UpdateBrokerStorage OperationType = "UPDATE_BROKER_STORAGE"
	UpdateStorage       OperationType = "UPDATE_STORAGE"
)

// Machine is the state machine that carries out the operation.
func (o Operation) Machine() string {
	switch o.Type {
	case CreateCluster:
		return "create-cluster"
	case DeleteCluster:
		return "delete-cluster"
	case HealBroker:
		return o.Heal.machine()
	case ApplyTopics:
		return "topic-administration"
	case UpdateBrokerStorage, UpdateStorage:
		return "update-broker-storage"
	default:
		return ""
	}
}

func (h *Heal) machine() string {
	switch {
	case h == nil:
		return ""
	case h.Remedy == Replace:
		return "replace-broker"
	case h.Remedy == Restart:
		return "restart-broker"
	case h.Remedy == Grow:
		return "grow-volume"
	default:
		return ""
	}
}

// Budget is how long one attempt may take before its checks give up: several times what it takes on a bad day, the
// download of Kafka included, and short enough that whoever waits is told. On AWS it is more than twice what one create of
// a thousand takes, as statemachines models it.
//
// Healing may take longer: a broker that was away has to catch up with all that was written meanwhile. So may topics: they are
// thousands, and brokers may be away while they are made. And so may volumes, whose changes EBS makes in its own time.
func (t OperationType) Budget() time.Duration {
	switch t {
	case HealBroker, ApplyTopics, UpdateBrokerStorage, UpdateStorage:
		return 30 * time.Minute
	default:
		return 10 * time.Minute
	}
}

// HoldsCluster tells whether an operation of this type holds the cluster, whose state follows from it. One that does not holds the
// cluster's topics, or its volumes: of these, too, there is one at a time, beside whichever holds the cluster. Volumes that grow
// are in nobody's way, and what fills them does not wait until a broker is healed.
func (t OperationType) HoldsCluster() bool {
	return t != ApplyTopics && t != UpdateBrokerStorage && t != UpdateStorage
}

// claim is where a cluster names the operation that holds what an operation of this type needs.
func (c *Cluster) claim(t OperationType) **ActiveOperation {
	switch t {
	case ApplyTopics:
		return &c.Applying
	case UpdateBrokerStorage, UpdateStorage:
		return &c.Growing
	default:
		return &c.Active
	}
}

// Claim gives the operation what it needs of the cluster: all of it, its topics, or its volumes. Whoever calls it has seen that nobody has it.
func (o Operation) Claim(c *Cluster) { *c.claim(o.Type) = &ActiveOperation{ID: o.ID, Type: o.Type} }

// Holder names the operation that has what one of this type needs; nil when none does.
func (c Cluster) Holder(t OperationType) *ActiveOperation { return *c.claim(t) }

// Holds tells whether the operation has what it needs of the cluster.
func (o Operation) Holds(c Cluster) bool {
	holder := c.Holder(o.Type)
	return holder != nil && holder.ID == o.ID
}

// Steps of operations, in MSK's manner of naming them.
const (
	StepPlan        = "PLAN_NODES"
	StepProvision   = "PROVISION_HOSTS"
	StepCertify     = "ISSUE_CERTIFICATES"
	StepStartKafka  = "START_KAFKA"
	StepRemoveNodes = "REMOVE_NODES"
	StepFinalize    = "FINALIZE"

	StepJudge        = "JUDGE"
	StepFence        = "FENCE_HOST"
	StepLaunch       = "LAUNCH_HOST"
	StepRestartKafka = "RESTART_KAFKA"
	StepGrowVolume   = "GROW_VOLUME"
	StepCatchUp      = "CATCH_UP"

	StepGrowVolumes = "GROW_VOLUMES"

	StepPlanTopics  = "PLAN_TOPICS"
	StepApplyTopics = "APPLY_TOPICS"
	StepCheckTopics = "CHECK_TOPICS"
)

// Plan lists the steps that operators see, all of them still to come.
func (o Operation) Plan() []Step {
	var names []string
	switch o.Type {
	case HealBroker:
		names = o.Heal.plan()
	case CreateCluster:
		names = []string{StepPlan, StepProvision, StepCertify, StepStartKafka, StepFinalize}
	case DeleteCluster:
		names = []string{StepPlan, StepRemoveNodes, StepFinalize}
	case ApplyTopics:
		names = []string{StepPlanTopics, StepApplyTopics, StepCheckTopics, StepFinalize}
	case UpdateBrokerStorage, UpdateStorage:
		names = []string{StepGrowVolumes, StepFinalize}
	}
	steps := make([]Step, len(names))
	for i, name := range names {
		steps[i] = Step{Name: name, Status: StepPending}
	}
	return steps
}

func (h *Heal) plan() []string {
	switch {
	case h == nil:
		return nil
	case h.Remedy == Replace:
		return []string{StepJudge, StepFence, StepLaunch, StepStartKafka, StepCatchUp, StepFinalize}
	case h.Remedy == Restart:
		return []string{StepJudge, StepRestartKafka, StepCatchUp, StepFinalize}
	case h.Remedy == Grow:
		return []string{StepGrowVolume, StepStartKafka, StepCatchUp, StepFinalize}
	default:
		return nil
	}
}

// state is the cluster's state while such an operation holds it, of those that do.
func (t OperationType) state() State {
	switch t {
	case CreateCluster:
		return Creating
	case DeleteCluster:
		return Deleting
	case HealBroker:
		return Healing
	default:
		return Updating
	}
}

// OperationState is MSK's; any other value breaks Terraform.
type OperationState string

const (
	Pending         OperationState = "PENDING"
	InProgress      OperationState = "UPDATE_IN_PROGRESS"
	Complete        OperationState = "UPDATE_COMPLETE"
	OperationFailed OperationState = "UPDATE_FAILED"
)

// Operation is one recorded wish to change a cluster, with how far it got.
type Operation struct {
	// ID is a UUID of version 7, so that ids sort by time.
	ID        string         `json:"id"`
	ClusterID string         `json:"clusterId"`
	ARN       string         `json:"arn"`
	Type      OperationType  `json:"type"`
	State     OperationState `json:"state"`
	// RequestID is the API request that caused it.
	RequestID string    `json:"requestId,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`

	// Attempt counts the executions of this operation from 1; each has its own name.
	Attempt int `json:"attempt"`
	// Execution is the execution that carries out the current attempt; empty until it has begun.
	Execution string `json:"execution,omitempty"`
	// Deadline is when the current attempt gives up; set when it begins.
	Deadline time.Time `json:"deadline,omitzero"`
	// AttendedAt is when somebody was last seen at work on it, give or take half a minute.
	AttendedAt time.Time `json:"attendedAt,omitzero"`

	Steps   []Step   `json:"steps,omitempty"`
	Failure *Failure `json:"failure,omitempty"`

	// Heal is what a HEAL_BROKER operation is about; nil for every other.
	Heal *Heal `json:"heal,omitempty"`
	// Topics is what an APPLY_TOPICS operation is about; nil for every other.
	Topics *TopicsApplication `json:"topics,omitempty"`
	// Storage is what an operation on volumes is about; nil for every other.
	Storage *StorageChange `json:"storage,omitempty"`
}

// ExecutionName names the execution of the current attempt. The name of an ended execution stays taken for 90 days on
// AWS, so every attempt has one of its own.
func (o Operation) ExecutionName() string { return fmt.Sprintf("%s-%d", o.ID, o.Attempt) }

// Ended tells whether the operation is over, well or not.
func (o Operation) Ended() bool { return o.State == Complete || o.State == OperationFailed }

// Execution is a run of a state machine, as far as operations care.
type Execution struct {
	ID      string
	Running bool
	// Failure says how an execution ended that did not succeed; nil otherwise.
	Failure *Failure
}

// StepStatus is the status of a step, in MSK's words.
type StepStatus string

const (
	StepPending    StepStatus = "PENDING"
	StepInProgress StepStatus = "IN_PROGRESS"
	StepCompleted  StepStatus = "COMPLETED"
	StepFailed     StepStatus = "FAILED"
)

// Step is a part of an operation as an operator sees it.
type Step struct {
	Name   string     `json:"name"`
	Status StepStatus `json:"status"`
	// Percent of this step, 0 to 100.
	Percent int `json:"percent"`
	// Detail says what the step waits for, or why it failed.
	Detail string `json:"detail,omitempty"`
}

// Percent is how much of the whole operation is done, each step counting the same.
func (o Operation) Percent() int {
	if o.State == Complete {
		return 100
	}
	if len(o.Steps) == 0 {
		return 0
	}
	sum := 0
	for _, s := range o.Steps {
		if s.Status == StepCompleted {
			sum += 100
			continue
		}
		sum += s.Percent
	}
	return sum / len(o.Steps)
}

// Advance marks the named step as being at percent with what it waits for, and every step before it as completed.
// At 100 percent the step is completed too. An unknown name changes nothing.
func (o *Operation) Advance(name string, percent int, detail string) {
	at := -1
	for i, s := range o.Steps {
		if s.Name == name {
			at = i
		}
	}
	if at < 0 {
		return
	}
	for i := range at {
		o.Steps[i] = Step{Name: o.Steps[i].Name, Status: StepCompleted, Percent: 100}
	}
	s := Step{Name: name, Status: StepInProgress, Percent: percent, Detail: detail}
	if percent >= 100 {
		s = Step{Name: name, Status: StepCompleted, Percent: 100}
	}
	o.Steps[at] = s
}

// HasBegun tells whether the named step is under way, or over.
func (o Operation) HasBegun(name string) bool {
	return slices.ContainsFunc(o.Steps, func(s Step) bool { return s.Name == name && s.Status != StepPending })
}

// FailStep marks the step that is under way (or the first that has not begun) as failed, with the cause.
func (o *Operation) FailStep(cause string) {
	for i, s := range o.Steps {
		if s.Status != StepCompleted {
			o.Steps[i].Status, o.Steps[i].Detail = StepFailed, cause
			return
		}
	}
}

// Succeed ends the operation well: it lets go of the cluster, which is ACTIVE from now on under a new version. One that held only
// topics leaves the cluster as it is, one that held volumes leaves it with larger ones, unless it was about what these are made of.
func (o *Operation) Succeed(c *Cluster, version string, now time.Time) {
	for i := range o.Steps {
		o.Steps[i] = Step{Name: o.Steps[i].Name, Status: StepCompleted, Percent: 100}
	}
	o.State, o.EndedAt, o.Failure = Complete, now, nil
	*c.claim(o.Type) = nil
	if o.Type.HoldsCluster() {
		c.Ready, c.Failure = true, nil
	}
	merges := o.Storage != nil && o.Storage.Merges // which gives nobody more room
	if o.Type != ApplyTopics && !merges {
		c.Version = version
	}
	if o.Storage != nil {
		o.Storage.describe(c)
	}
}

// Fail ends the operation without success and lets go of what it held. A cluster that could not be created or deleted is
// FAILED; any other goes on as it was, but that volumes may all have grown before something else failed.
func (o *Operation) Fail(c *Cluster, why Failure, now time.Time) {
	o.FailStep(why.Message)
	o.State, o.EndedAt, o.Failure = OperationFailed, now, &why
	*c.claim(o.Type) = nil
	if o.Type == CreateCluster || o.Type == DeleteCluster {
		c.Failure = &why
	}
	if o.Storage != nil && o.Storage.AllGrown() {
		o.Storage.describe(c)
	}
}

// TryAgain makes a failed create pending again, in a new attempt, and gives it the cluster; false when it is not one. A
// delete that failed is not tried again like this: whoever wants that deletes the cluster again. The same goes for topics.
func (o *Operation) TryAgain(c *Cluster) bool {
	if c.State() != Failed || o.Type != CreateCluster || o.State != OperationFailed {
		return false
	}
	o.Attempt++
	o.State, o.Execution, o.Steps, o.Failure = Pending, "", nil, nil
	o.Deadline, o.EndedAt = time.Time{}, time.Time{}
	o.Claim(c)
	c.Failure = nil
	return true
}

// A sweep comes every minute at least. An operation that was not attended for longer than outage had nobody who could work
// on it; one that was attended within recently need not be marked again.
const (
	outage   = 3 * time.Minute
	recently = 30 * time.Second
)

// Attend notes that an operation is being worked on. Time in which nobody could work on it, because the control plane was
// away, is added to its deadline. False when there is nothing new to record.
func (o *Operation) Attend(now time.Time) bool {
	away := now.Sub(o.AttendedAt)
	if o.Deadline.IsZero() || away < recently {
		return false
	}
	if away > outage {
		o.Deadline = o.Deadline.Add(away)
	}
	o.AttendedAt = now
	return true
}
