package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/functions/api"
	"github.com/millrace/millrace/functions/brokerreplacement"
	"github.com/millrace/millrace/functions/healthsweep"
	"github.com/millrace/millrace/functions/hostevents"
	"github.com/millrace/millrace/functions/operations"
	"github.com/millrace/millrace/functions/provisioning"
	"github.com/millrace/millrace/functions/storageautoscaling"
	"github.com/millrace/millrace/functions/topicadmin"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafka"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/local/asl"
	"github.com/millrace/millrace/statemachines"
)

// controlPlaneConfig says where a local control plane lives and what it offers.
type controlPlaneConfig struct {
	Data, Listen, Region string
	// Controllers is how many controllers a new cluster gets.
	Controllers int
	// MaxBrokers is how many brokers a cluster may have: they all start at once, on the cores of this machine.
	MaxBrokers int
	// Agent is the path of the broker-agent program, Software the directory that hosts keep Kafka's jars in.
	Agent, Software string
}

const (
	// sweepEvery is how long an operation that nobody works on can stay unnoticed.
	sweepEvery = 5 * time.Second
	// healthEvery is how long a sick node can stay unnoticed of which no event has told.
	healthEvery = 2 * time.Second
	// storageEvery is how long it can stay unnoticed that a volume fills of which no event has told.
	storageEvery = 2 * time.Second
	// topicsEvery is how long it can stay unnoticed that somebody has changed declared topics.
	topicsEvery = 10 * time.Second
)

// runControlPlane serves a data directory until ctx ends.
//
//  1. Open the data directory.
//  2. Wire the functions and the machines, as the deployment does on AWS.
//  3. Open the front door, and tell the hosts where it is.
//  4. Resume what was under way; look after hosts, operations, the health of clusters, their storage and their topics now and then.
//  5. Serve. ready is called once, with the address.
//
// Brokers are not touched when it ends.
func runControlPlane(ctx context.Context, c controlPlaneConfig, ready func(address string)) (err error) {
	layout := local.Layout{Dir: c.Data}
	gib, err := bytesOfGiB(os.Getenv("MILLRACE_GIB"))
	if err != nil {
		return err
	}
	rests, err := volumeRests(os.Getenv("MILLRACE_VOLUME_RESTS"))
	if err != nil {
		return err
	}
	platform, err := local.Open(local.Config{
		Layout: layout, Region: c.Region, Agent: c.Agent, Software: c.Software, GiB: gib, VolumeRests: rests,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, platform.Close()) }()
	if err := sizeVolumes(ctx, platform); err != nil {
		return err
	}

	functions := local.Functions{}
	engine, err := newEngine(c, platform, functions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEngine(engine)) }()
	workflows := local.Workflows{Engine: engine}
	pool := kafka.NewPool()
	defer func() { err = errors.Join(err, pool.Close()) }()
	wire(functions, platform, workflows, pool)
	bus := local.NewBus(hostevents.EventsOf)
	woken := struct{ health, storage *local.Listener }{bus.Listen(), bus.Listen()}

	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	server := &http.Server{Handler: frontDoor(c, platform, workflows, functions, bus), ReadHeaderTimeout: 10 * time.Second}
	if err := errors.Join(
		layout.WriteMailboxEndpoint(address),
		layout.Announce(local.Running{PID: os.Getpid(), Address: address, Region: c.Region, StartedAt: time.Now()}),
	); err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, layout.Depart()) }()

	if err := engine.Resume(ctx); err != nil {
		return errors.Join(err, listener.Close())
	}
	working, stop := context.WithCancel(ctx) // ends with the front door too, whatever closed that
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	background.Go(func() { platform.Hosts.Keep(working, bus.Died) })
	background.Go(func() { sweep(working, functions["operations"]) })
	background.Go(func() {
		lookAfter(working, "health", functions["healthsweep"], "SweepHealth", healthEvery, woken.health)
	})
	background.Go(func() {
		lookAfter(working, "storage", functions["storageautoscaling"], "ScaleStorage", storageEvery, woken.storage)
	})
	background.Go(func() {
		lookAfterTopics(working, functions["operations"], functions["provisioning"], functions["topicadmin"])
	})

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ready(address)
	select {
	case err := <-served:
		return fmt.Errorf("front door: %w", err)
	case <-ctx.Done():
		return closeDoor(server)
	}
}

// bytesOfGiB reads MILLRACE_GIB: how many bytes a GiB of a volume has. Tests set it, to fill volumes of the smallest size there is
// within seconds; 0 is as many as it should have.
func bytesOfGiB(setting string) (int64, error) {
	if setting == "" {
		return 0, nil
	}
	bytes, err := strconv.ParseInt(setting, 10, 64)
	if err != nil || bytes <= 0 {
		return 0, fmt.Errorf("MILLRACE_GIB is %q: it has to be how many bytes a GiB of a volume has", setting)
	}
	return bytes, nil
}

// volumeRests reads MILLRACE_VOLUME_RESTS: how long a volume takes no other change after one, such as 6h. Tests set it, to be refused as
// EBS refuses; by itself a volume on one machine does not rest.
func volumeRests(setting string) (time.Duration, error) {
	if setting == "" {
		return 0, nil
	}
	rests, err := time.ParseDuration(setting)
	if err != nil || rests < 0 {
		return 0, fmt.Errorf("MILLRACE_VOLUME_RESTS is %q: it has to be how long a volume takes no other change after one, such as 6h", setting)
	}
	return rests, nil
}

// sizeVolumes sees that every volume has a size: those that were made by a Millrace for which sizes meant nothing have none yet.
func sizeVolumes(ctx context.Context, p *local.Platform) error {
	clusters, err := p.Records.AllClusters(ctx)
	if err != nil {
		return fmt.Errorf("list clusters: %w", err)
	}
	for _, c := range clusters {
		nodes, err := p.Records.Nodes(ctx, c.ID)
		if err != nil {
			return fmt.Errorf("nodes of cluster %s: %w", c.Name, err)
		}
		if err := p.Volumes.SizeVolumes(nodes); err != nil {
			return fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	return nil
}

// closeDoor lets answers that are under way get through. Hosts that wait for a spec would keep the door open; they are
// cut off, and ask again.
func closeDoor(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = server.Shutdown(ctx) // whoever is left is closed next
	return server.Close()
}

// wire makes the functions that machines call, and those that are called now and then.
func wire(functions local.Functions, p *local.Platform, workflows local.Workflows, pool *kafka.Pool) {
	functions["operations"] = operations.Steps(operations.Deps{
		Records: p.Records, Workflows: workflows, Now: time.Now, NewVersion: newVersion,
	})
	functions["provisioning"] = provisioning.Steps(provisioning.Deps{
		Records: p.Records, Platform: provisioningPlatform(p), Now: time.Now,
	})
	functions["brokerreplacement"] = brokerreplacement.Steps(brokerreplacement.Deps{
		Records: p.Records, Kafka: kafka.Admin{}, Now: time.Now,
	})
	functions["storageautoscaling"] = storageautoscaling.Steps(storageautoscaling.Deps{
		Deployment: "local", Records: p.Records, Workflows: workflows, Now: time.Now, NewID: newOperationID,
	})
	functions["topicadmin"] = topicadmin.Steps(topicadmin.Deps{Records: p.Records, Kafka: pool, Now: time.Now})
	functions["healthsweep"] = healthsweep.Steps(healthsweep.Deps{
		Deployment: "local", Records: p.Records, Hosts: p.Hosts, Workflows: workflows,
		Now: time.Now, NewID: newOperationID, ListeningSince: time.Now(),
	})
}

func newEngine(c controlPlaneConfig, platform *local.Platform, functions local.Functions) (*asl.Engine, error) {
	machines, err := loadMachines()
	if err != nil {
		return nil, err
	}
	journal, err := asl.NewBoltJournal(platform.Database, "executions")
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return asl.New(asl.Config{
		Machines: machines, Invoker: functions, Journal: journal,
		Region: c.Region, Account: local.Account,
		KeepFor: 24 * time.Hour, KeepCount: 200,
		OnTransition: failPoint(os.Getenv("MILLRACE_FAIL_POINT")),
	})
}

func loadMachines() (map[string]*asl.Machine, error) {
	machines := map[string]*asl.Machine{}
	for _, name := range statemachines.Names() {
		definition, err := statemachines.Definition(name)
		if err != nil {
			return nil, err
		}
		definition, err = asl.Substitute(definition, statemachines.FunctionsOf(name))
		if err != nil {
			return nil, fmt.Errorf("state machine %s: %w", name, err)
		}
		if machines[name], err = asl.Load(name, definition); err != nil {
			return nil, fmt.Errorf("state machine %s: %w", name, err)
		}
	}
	return machines, nil
}

func closeEngine(engine *asl.Engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return engine.Close(ctx)
}

func provisioningPlatform(p *local.Platform) provisioning.Platform {
	return provisioning.Platform{
		Addresses: p.Addresses, Volumes: p.Volumes, Hosts: p.Hosts, Secrets: p.Secrets, Zones: p.Zones,
		Sizing: provisioning.Sizing{
			Lean:    true,
			HeapMiB: func(string, cluster.Role) int { return 256 }, // enough for development, whatever type was asked for
		},
	}
}

func newOperationID() (string, error) { return cluster.NewOperationID(time.Now(), rand.Reader) }

func newVersion() (string, error) { return mskapi.NewClusterVersion(rand.Reader) }

// frontDoor is everything that listens: the MSK API with Millrace's own, and the hosts' mailboxes.
func frontDoor(
	c controlPlaneConfig, p *local.Platform, workflows local.Workflows, functions local.Functions, bus *local.Bus,
) http.Handler {
	mailboxes := local.NewMailbox(p.Records, p.Hosts, bus)
	desk := api.New(api.Deps{
		Records: p.Records, Workflows: workflows, Functions: functions, Zones: p.Zones, Seal: p.Seal, RootKey: p.Credentials,
		Now: time.Now, Random: rand.Reader,
		Region: c.Region, Account: local.Account, Controllers: c.Controllers, MaxBrokers: c.MaxBrokers,
		SecurityGroup: "sg-local",
		VolumeKey:     fmt.Sprintf("arn:aws:kms:%s:%s:key/local", c.Region, local.Account),
	})
	// No http.ServeMux: it answers a path with // or .. by a redirect, where clients of MSK expect an error of the model.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, local.MailboxPath+"/") {
			mailboxes.ServeHTTP(w, r)
			return
		}
		desk.ServeHTTP(w, r)
	})
}

// listen opens the front door, on this machine only: nothing of a local control plane is meant for a network.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if err := checkLoopback(address); err != nil {
		return nil, fmt.Errorf("--listen %s: %w", address, err)
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

// invoker is a function of the control plane.
type invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// sweep looks for operations that nobody works on, at once and then now and then.
//
// It calls the step, not the machine operations-sweep that does on AWS. The engine journals every execution, so one each five
// seconds would be all that is kept of executions within minutes, and would write to the disk of a laptop that is at rest.
func sweep(ctx context.Context, function invoker) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if _, err := function.Invoke(ctx, []byte(`{"step":"SweepOperations"}`)); err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "sweep failed", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// lookAfter looks at all clusters now and then in one respect, and at once at each that the bus names. It calls the step, as sweep
// does, and its next round is the machine's next look.
func lookAfter(ctx context.Context, what string, function invoker, step string, every time.Duration, heard *local.Listener) {
	look := func(clusterName string) {
		payload, err := json.Marshal(map[string]string{"step": step, "cluster": clusterName})
		if err == nil {
			_, err = function.Invoke(ctx, payload)
		}
		if err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "look at clusters failed", "what", what, "cluster", clusterName, "error", err)
		}
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-heard.Woken():
			for _, name := range heard.Take() {
				look(name)
			}
		case <-ticker.C:
			look("")
		case <-ctx.Done():
			return
		}
	}
}

// lookAfterTopics does now and then what the machine topics-sweep does on AWS: it keeps the way to the brokers of every cluster open,
// and finds topics that are not as declared. It calls the steps, as sweep does; where nothing is new, they write nothing.
func lookAfterTopics(ctx context.Context, operations, provisioning, topicadmin invoker) {
	call := func(function invoker, step, clusterID string) []byte {
		payload, err := json.Marshal(map[string]string{"step": step, "clusterId": clusterID})
		var answer []byte
		if err == nil {
			answer, err = function.Invoke(ctx, payload)
		}
		if err != nil && ctx.Err() == nil {
			slog.ErrorContext(ctx, "look at topics failed", "step", step, "cluster", clusterID, "error", err)
		}
		return answer
	}
	ticker := time.NewTicker(topicsEvery)
	defer ticker.Stop()
	for {
		var found struct {
			Clusters []struct {
				ClusterID string `json:"clusterId"`
				Renew     bool   `json:"renew"`
				Declared  bool   `json:"declared"`
			} `json:"clusters"`
		}
		if answer := call(operations, "FindClustersDue", ""); answer != nil {
			if err := json.Unmarshal(answer, &found); err != nil {
				slog.ErrorContext(ctx, "look at topics failed", "error", err)
			}
		}
		for _, c := range found.Clusters {
			if c.Renew {
				call(provisioning, "RenewKafkaAccess", c.ClusterID)
			}
			if c.Declared {
				call(topicadmin, "FindTopicDrift", c.ClusterID)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
