package aws

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// What the functions of a deployment read from their environment. Each reads what it needs, once, when it starts; a variable
// that is missing or can't be right stops the start and is named. The deployment sets them; see infra/functions.go.

// Deployment is what every function of the control plane knows: which control plane it belongs to, and where that keeps its
// records.
type Deployment struct {
	Name     string // MILLRACE_DEPLOYMENT
	Account  string // MILLRACE_ACCOUNT
	Region   string // AWS_REGION
	Table    string // MILLRACE_TABLE
	HostRole string // MILLRACE_HOST_ROLE_ID: the id of the role that all hosts have
}

// API is what functions/api knows.
type API struct {
	Deployment
	MachinePrefix       string // MILLRACE_MACHINE_PREFIX
	VolumeKey           string // MILLRACE_VOLUME_KEY
	DataKey             string // MILLRACE_DATA_KEY
	VPC                 string // MILLRACE_VPC
	ClientSecurityGroup string // MILLRACE_CLIENT_SECURITY_GROUP
	Controllers         int    // MILLRACE_CONTROLLERS, of a new cluster
	FunctionPrefix      string // MILLRACE_FUNCTION_PREFIX: what the names of the deployment's functions begin with
}

// Operations is what functions/operations knows.
type Operations struct {
	Deployment
	MachinePrefix string // MILLRACE_MACHINE_PREFIX
}

// Provisioning is what functions/provisioning knows.
type Provisioning struct {
	Deployment
	LaunchTemplate      string // MILLRACE_LAUNCH_TEMPLATE
	VolumeKey           string // MILLRACE_VOLUME_KEY
	DataKey             string // MILLRACE_DATA_KEY
	ZoneID              string // MILLRACE_ZONE_ID
	ZoneName            string // MILLRACE_ZONE_NAME
	VPC                 string // MILLRACE_VPC
	HostSecurityGroup   string // MILLRACE_HOST_SECURITY_GROUP
	ClientSecurityGroup string // MILLRACE_CLIENT_SECURITY_GROUP
}

// HealthSweep is what functions/healthsweep knows.
type HealthSweep struct {
	Deployment
	MachinePrefix string // MILLRACE_MACHINE_PREFIX
}

// StorageAutoscaling is what functions/storageautoscaling knows.
type StorageAutoscaling struct {
	Deployment
	MachinePrefix string // MILLRACE_MACHINE_PREFIX
}

// BrokerReplacement is what functions/brokerreplacement knows. It talks to brokers and to the table, and to nothing else of AWS's.
type BrokerReplacement struct {
	Deployment
}

// TopicAdmin is what functions/topicadmin knows. It talks to brokers and to the table, and to nothing else of AWS's.
type TopicAdmin struct {
	Deployment
}

// HostEvents is what functions/hostevents knows. It gets all that it reads from the table's stream.
type HostEvents struct {
	Deployment string // MILLRACE_DEPLOYMENT
	EventBus   string // MILLRACE_EVENT_BUS
}

// APIEnvironment reads the environment of functions/api. Its error is Invalid and names every variable that is at fault.
// get is os.Getenv, or stands in for it.
func APIEnvironment(get func(name string) string) (API, error) {
	r := reader{get: get}
	e := API{
		Deployment:          r.deployment(),
		MachinePrefix:       r.machinePrefix(),
		VolumeKey:           r.kmsKey("MILLRACE_VOLUME_KEY"),
		DataKey:             r.kmsKey("MILLRACE_DATA_KEY"),
		VPC:                 r.id("MILLRACE_VPC", "vpc-"),
		ClientSecurityGroup: r.id("MILLRACE_CLIENT_SECURITY_GROUP", "sg-"),
		Controllers:         r.controllers(),
		FunctionPrefix:      r.functionPrefix(),
	}
	return e, r.fault()
}

// OperationsEnvironment reads the environment of functions/operations, as [APIEnvironment] does its own.
func OperationsEnvironment(get func(name string) string) (Operations, error) {
	r := reader{get: get}
	e := Operations{Deployment: r.deployment(), MachinePrefix: r.machinePrefix()}
	return e, r.fault()
}

// ProvisioningEnvironment reads the environment of functions/provisioning, as [APIEnvironment] does its own.
func ProvisioningEnvironment(get func(name string) string) (Provisioning, error) {
	r := reader{get: get}
	e := Provisioning{
		Deployment:          r.deployment(),
		LaunchTemplate:      r.id("MILLRACE_LAUNCH_TEMPLATE", "lt-"),
		VolumeKey:           r.kmsKey("MILLRACE_VOLUME_KEY"),
		DataKey:             r.kmsKey("MILLRACE_DATA_KEY"),
		ZoneID:              r.text("MILLRACE_ZONE_ID"),
		ZoneName:            r.text("MILLRACE_ZONE_NAME"),
		VPC:                 r.id("MILLRACE_VPC", "vpc-"),
		HostSecurityGroup:   r.id("MILLRACE_HOST_SECURITY_GROUP", "sg-"),
		ClientSecurityGroup: r.id("MILLRACE_CLIENT_SECURITY_GROUP", "sg-"),
	}
	return e, r.fault()
}

// HealthSweepEnvironment reads the environment of functions/healthsweep, as [APIEnvironment] does its own.
func HealthSweepEnvironment(get func(name string) string) (HealthSweep, error) {
	r := reader{get: get}
	e := HealthSweep{Deployment: r.deployment(), MachinePrefix: r.machinePrefix()}
	return e, r.fault()
}

// StorageAutoscalingEnvironment reads the environment of functions/storageautoscaling, as [APIEnvironment] does its own.
func StorageAutoscalingEnvironment(get func(name string) string) (StorageAutoscaling, error) {
	r := reader{get: get}
	e := StorageAutoscaling{Deployment: r.deployment(), MachinePrefix: r.machinePrefix()}
	return e, r.fault()
}

// BrokerReplacementEnvironment reads the environment of functions/brokerreplacement, as [APIEnvironment] does its own.
func BrokerReplacementEnvironment(get func(name string) string) (BrokerReplacement, error) {
	r := reader{get: get}
	e := BrokerReplacement{Deployment: r.deployment()}
	return e, r.fault()
}

// TopicAdminEnvironment reads the environment of functions/topicadmin, as [APIEnvironment] does its own.
func TopicAdminEnvironment(get func(name string) string) (TopicAdmin, error) {
	r := reader{get: get}
	e := TopicAdmin{Deployment: r.deployment()}
	return e, r.fault()
}

// HostEventsEnvironment reads the environment of functions/hostevents, as [APIEnvironment] does its own.
func HostEventsEnvironment(get func(name string) string) (HostEvents, error) {
	r := reader{get: get}
	e := HostEvents{Deployment: r.text("MILLRACE_DEPLOYMENT"), EventBus: r.text("MILLRACE_EVENT_BUS")}
	return e, r.fault()
}

// reader reads variables and remembers what is wrong with them, so that all of it is told at once.
type reader struct {
	get    func(name string) string
	faults []error
}

func (r *reader) fault() error {
	if len(r.faults) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "environment: %w", errors.Join(r.faults...))
}

func (r *reader) wrong(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// text reads a variable that may not be empty.
func (r *reader) text(name string) string {
	value := r.get(name)
	if value == "" {
		r.wrong("%s is not set", name)
	}
	return value
}

// id reads a variable that names a resource of EC2.
func (r *reader) id(name, prefix string) string {
	value := r.text(name)
	if value != "" && !strings.HasPrefix(value, prefix) {
		r.wrong("%s is %q and should begin with %s", name, value, prefix)
	}
	return value
}

func (r *reader) matching(name string, pattern *regexp.Regexp, what string) string {
	value := r.text(name)
	if value != "" && !pattern.MatchString(value) {
		r.wrong("%s is %q and not %s", name, value, what)
	}
	return value
}

var (
	accountPattern        = regexp.MustCompile(`^[0-9]{12}$`)
	kmsKeyPattern         = regexp.MustCompile(`^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$`)
	functionPrefixPattern = regexp.MustCompile(`^[a-zA-Z0-9-_]+-$`)
	machinePrefixPattern  = regexp.MustCompile(`^arn:[a-z-]+:states:[a-z0-9-]+:[0-9]{12}:stateMachine:.+-$`)
)

func (r *reader) deployment() Deployment {
	return Deployment{
		Name:     r.text("MILLRACE_DEPLOYMENT"),
		Account:  r.matching("MILLRACE_ACCOUNT", accountPattern, "an account of 12 digits"),
		Region:   r.text("AWS_REGION"),
		Table:    r.text("MILLRACE_TABLE"),
		HostRole: r.text("MILLRACE_HOST_ROLE_ID"),
	}
}

func (r *reader) kmsKey(name string) string {
	return r.matching(name, kmsKeyPattern, "the ARN of a KMS key")
}

func (r *reader) machinePrefix() string {
	return r.matching("MILLRACE_MACHINE_PREFIX", machinePrefixPattern, "the ARN of a state machine up to the - after the deployment's name")
}

func (r *reader) functionPrefix() string {
	return r.matching("MILLRACE_FUNCTION_PREFIX", functionPrefixPattern, "the name of a function up to the - after the deployment's name")
}

func (r *reader) controllers() int {
	value := r.text("MILLRACE_CONTROLLERS")
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n%2 == 0 {
		r.wrong("MILLRACE_CONTROLLERS is %q and not an odd number such as 3", value)
	}
	return n
}
