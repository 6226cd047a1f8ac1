package awsrules

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// laws are what EC2 knows and moto does not. One call is carried out at a time.
type laws struct {
	config Config
	moto   func(ctx context.Context, q request) (answer, error)

	mu        *sync.Mutex
	tokens    map[string]used // by action and client token
	instances map[string]*instance
	volumes   map[string]attachment  // of volumes that have ever been attached: the last one
	networks  map[string]string      // the instance that each attached interface has
	zones     map[string]string      // where each interface is: moto has instances elsewhere
	shapes    map[string]shape       // of volumes
	changes   map[string]*change     // the last one of each volume that was ever changed
	changed   map[string][]time.Time // when changes of each volume began that EBS did not give up
	unseen    map[string]int         // how often each new thing is still overlooked
}

// used is what a client token was used for.
type used struct {
	parameters string
	answer     answer
	instance   string // of RunInstances
}

type instance struct {
	zone       string
	launched   time.Time
	terminated time.Time // asked to end; zero while nobody has
	graceful   bool      // its operating system was asked first
	stopped    time.Time // asked to power off; zero while it is on
	impaired   bool      // a check of EC2's fails
	stuck      bool      // ends only by force
	forgotten  bool      // ended so long ago that nobody knows it any more
	claims     time.Duration
}

func newLaws(c Config, moto func(context.Context, request) (answer, error)) laws {
	return laws{
		config: c, moto: moto, mu: new(sync.Mutex),
		tokens: map[string]used{}, instances: map[string]*instance{},
		volumes: map[string]attachment{}, networks: map[string]string{}, zones: map[string]string{}, unseen: map[string]int{},
		changes: map[string]*change{}, changed: map[string][]time.Time{}, shapes: map[string]shape{},
	}
}

// Stick keeps an instance from ending until it is forced to. It says that it has been shutting down for so much longer than
// it has.
func (r *Rules) Stick(id string, claims time.Duration) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	r.ec2.instances[id].stuck, r.ec2.instances[id].claims = true, claims
}

// Forget lets the time pass after which nobody knows a terminated instance any more.
func (r *Rules) Forget(id string) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	r.ec2.instances[id].forgotten = true
}

// End lets the time pass that an instance takes to end.
func (r *Rules) End(id string) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	i := r.ec2.instances[id]
	i.stuck, i.terminated = false, i.terminated.Add(-r.ec2.config.ShuttingDownFor-r.ec2.config.GracefulFor-r.ec2.config.LetsGoAfter)
}

// Impair makes one of EC2's own checks of an instance fail, until it ends.
func (r *Rules) Impair(id string) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	r.ec2.instances[id].impaired = true
}

// Overlook makes what is made from now on be overlooked by so many descriptions.
func (r *Rules) Overlook(descriptions int) {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	r.ec2.config.UnseenFor = descriptions
}

// Alive are the instances that are not terminated.
func (r *Rules) Alive() []string {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	var ids []string
	for id := range r.ec2.instances {
		if r.ec2.state(id) != "terminated" {
			ids = append(ids, id)
		}
	}
	return ids
}

// State is an instance's state in EC2's words.
func (r *Rules) State(id string) string {
	r.ec2.mu.Lock()
	defer r.ec2.mu.Unlock()
	return r.ec2.state(id)
}

// state is an instance's state, in EC2's words; terminated when it is not known.
func (e *laws) state(id string) string {
	i, ok := e.instances[id]
	if !ok {
		return "terminated"
	}
	switch now := time.Now(); {
	case i.terminated.IsZero() && !i.stopped.IsZero() && now.Sub(i.stopped) < e.config.ShuttingDownFor:
		return "stopping"
	case i.terminated.IsZero() && !i.stopped.IsZero():
		return "stopped"
	case i.terminated.IsZero() && now.Sub(i.launched) < e.config.PendingFor:
		return "pending"
	case i.terminated.IsZero():
		return "running"
	case i.stuck, now.Before(e.end(i)):
		return "shutting-down"
	}
	return "terminated"
}

// end is when an instance that was asked to end does so.
func (e *laws) end(i *instance) time.Time {
	if i.graceful {
		return i.terminated.Add(e.config.ShuttingDownFor + e.config.GracefulFor)
	}
	return i.terminated.Add(e.config.ShuttingDownFor)
}

// stateCodes are EC2's numbers of the states.
var stateCodes = map[string]string{"pending": "0", "running": "16", "shutting-down": "32", "terminated": "48", "stopping": "64", "stopped": "80"}

func (e *laws) stateElement(name, id string) *element {
	state := e.state(id)
	return node(name, text("code", stateCodes[state]), text("name", state))
}

// holds tells whether an instance still has what is attached to it.
func (e *laws) holds(id string) bool {
	i, ok := e.instances[id]
	return ok && (e.state(id) != "terminated" || time.Now().Before(e.end(i).Add(e.config.LetsGoAfter)))
}

func (e *laws) answer(ctx context.Context, q request) (answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if refusal := e.refuse(ctx, q); refusal != nil {
		return refusal.inEC2(), nil
	}
	switch q.Action {
	case "RunInstances", "CreateVolume", "CreateNetworkInterface":
		return e.once(ctx, q)
	case "AttachVolume":
		return e.carryOut(ctx, q, func(*element) { e.attach(q) })
	case "DetachVolume":
		return e.carryOut(ctx, q, func(root *element) { e.detach(q, root) })
	case "TerminateInstances":
		return e.carryOut(ctx, q, func(root *element) { e.terminate(q, root) })
	case "StopInstances":
		return e.carryOut(ctx, q, func(root *element) { e.power(q, root, time.Now()) })
	case "StartInstances":
		return e.carryOut(ctx, q, func(root *element) { e.power(q, root, time.Time{}) })
	case "ModifyVolume":
		return e.carryOut(ctx, q, func(root *element) { e.change(q, root) })
	case "DescribeVolumesModifications":
		return e.changesOf(ctx, q)
	case "DescribeInstanceStatus":
		return e.statuses(q), nil
	case "DescribeInstances":
		return e.described(ctx, q, "InvalidInstanceID.NotFound", "InstanceId", e.showInstances)
	case "DescribeVolumes":
		return e.described(ctx, q, "InvalidVolume.NotFound", "VolumeId", e.showVolumes)
	case "DescribeNetworkInterfaces":
		return e.described(ctx, q, "InvalidNetworkInterfaceID.NotFound", "NetworkInterfaceId", e.showNetworks)
	}
	return e.moto(ctx, q)
}

// carryOut passes a call on and changes what moto answers, unless that is a refusal.
func (e *laws) carryOut(ctx context.Context, q request, change func(root *element)) (answer, error) {
	a, err := e.moto(ctx, q)
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	root, err := parseXML(a.body)
	if err != nil {
		return answer{}, err
	}
	change(root)
	a.body = root.encode()
	return a, nil
}

// once carries a call out for the first use of its client token. Later uses with the same parameters get the same answer,
// whatever has become of the resource since; others are refused.
func (e *laws) once(ctx context.Context, q request) (answer, error) {
	token, parameters := q.form.Get("ClientToken"), withoutToken(q.form)
	key := q.Action + " " + token
	if before, ok := e.tokens[key]; ok && token != "" {
		if before.parameters != parameters {
			return refused{
				http.StatusBadRequest, "IdempotentParameterMismatch",
				"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
			}.inEC2(), nil
		}
		return e.again(before)
	}
	form, err := e.forMoto(ctx, q)
	if err != nil {
		return answer{}, err
	}
	record := used{parameters: parameters}
	a, err := e.carryOut(ctx, q.with(form), func(root *element) { record.instance = e.made(q, root) })
	if err != nil || a.status != http.StatusOK {
		return a, err
	}
	record.answer = a
	e.tokens[key] = record
	return a, nil
}

// again is the answer to a client token that was used before: of an instance, with the state that it has now.
func (e *laws) again(before used) (answer, error) {
	if before.instance == "" {
		return before.answer, nil
	}
	if e.instances[before.instance].forgotten {
		return refused{
			http.StatusBadRequest, "IdempotentInstanceTerminated",
			"The client token was used for an instance that has been terminated.",
		}.inEC2(), nil
	}
	root, err := parseXML(before.answer.body)
	if err != nil {
		return answer{}, err
	}
	for _, i := range root.child("instancesSet").children {
		i.set(e.stateElement("instanceState", before.instance))
	}
	a := before.answer
	a.body = root.encode()
	return a, nil
}

func withoutToken(form url.Values) string {
	form = cloned(form)
	form.Del("ClientToken")
	return form.Encode()
}

func cloned(form url.Values) url.Values {
	out := url.Values{}
	for name, values := range form {
		out[name] = values
	}
	return out
}

// with is a request with other parameters.
func (q request) with(form url.Values) request {
	q.form, q.body = form, []byte(form.Encode())
	q.header = q.header.Clone()
	q.header.Del("Content-Length")
	return q
}

// forMoto says a call in moto's words, which knows zones by name only.
func (e *laws) forMoto(ctx context.Context, q request) (url.Values, error) {
	form := cloned(q.form)
	zoneID := form.Get("AvailabilityZoneId")
	if zoneID == "" {
		return form, nil
	}
	root, err := e.ask(ctx, q, url.Values{"Action": {"DescribeAvailabilityZones"}})
	if err != nil {
		return nil, err
	}
	for _, zone := range root.child("availabilityZoneInfo").children {
		if zone.at("zoneId") == zoneID {
			form.Del("AvailabilityZoneId")
			form.Set("AvailabilityZone", zone.at("zoneName"))
			return form, nil
		}
	}
	return nil, fmt.Errorf("moto has no zone %s", zoneID)
}

// ask asks moto something on behalf of a caller.
func (e *laws) ask(ctx context.Context, q request, form url.Values) (*element, error) {
	form.Set("Version", "2016-11-15")
	a, err := e.moto(ctx, q.with(form))
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("moto answers %s with %d: %s", form.Get("Action"), a.status, a.body)
	}
	return parseXML(a.body)
}

// made remembers what was made, and gives the id of an instance.
func (e *laws) made(q request, root *element) (instanceID string) {
	switch q.Action {
	case "CreateVolume":
		e.unseen[root.at("volumeId")] = e.config.UnseenFor
		e.shapes[root.at("volumeId")] = shapeOf(q)
	case "CreateNetworkInterface":
		id := root.at("networkInterface", "networkInterfaceId")
		e.unseen[id], e.zones[id] = e.config.UnseenFor, root.at("networkInterface", "availabilityZone")
	case "RunInstances":
		for _, i := range root.child("instancesSet").children {
			instanceID = i.at("instanceId")
			e.instances[instanceID] = &instance{zone: i.at("placement", "availabilityZone"), launched: time.Now()}
			e.unseen[instanceID] = e.config.UnseenFor
			for _, network := range values(q.form, "NetworkInterface.", ".NetworkInterfaceId") {
				e.networks[network] = instanceID
				e.instances[instanceID].zone = e.zones[network]
			}
			i.set(e.stateElement("instanceState", instanceID))
		}
	}
	return instanceID
}

func (e *laws) terminate(q request, root *element) {
	for _, id := range values(q.form, "InstanceId.", "") {
		i, ok := e.instances[id]
		if !ok {
			continue
		}
		if i.terminated.IsZero() {
			i.terminated = time.Now()
			i.graceful = q.form.Get("SkipOsShutdown") != "true"
		}
		if q.form.Get("Force") == "true" {
			i.stuck = false
		}
	}
	for _, item := range root.child("instancesSet").children {
		item.set(e.stateElement("currentState", item.at("instanceId")))
	}
}

// power notes that instances were powered off or on.
func (e *laws) power(q request, root *element, stopped time.Time) {
	for _, id := range values(q.form, "InstanceId.", "") {
		if i, ok := e.instances[id]; ok {
			i.stopped = stopped
			if stopped.IsZero() {
				i.launched = time.Now()
			}
		}
	}
	for _, item := range root.child("instancesSet").children {
		item.set(e.stateElement("currentState", item.at("instanceId")))
	}
}

// values are the parameters of a list, such as InstanceId.1 or NetworkInterface.1.NetworkInterfaceId.
func values(form url.Values, prefix, suffix string) []string {
	var found []string
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s%d%s", prefix, n, suffix)
		if !form.Has(name) {
			return found
		}
		found = append(found, strings.TrimSpace(form.Get(name)))
	}
}
