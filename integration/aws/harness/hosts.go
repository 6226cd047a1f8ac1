package harness

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/integration/aws/iam"
	"github.com/millrace/millrace/integration/awsrules"
	"github.com/millrace/millrace/shared/kafkadist"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
)

// hosts stand for the machines of EC2: one for each instance that runs, for as long as it does.
type hosts struct {
	d *Deployment

	states     map[string]string              // of all instances, as EC2 told them last
	logVolumes map[string]*awsrules.LogVolume // by the volume that each begins on

	mu      sync.Mutex
	running map[string]*host // by instance
}

// host is one machine: processes that see each other alone, with the files of an instance where an instance has them. It
// ends, with everything in it, when its first process does.
type host struct {
	instance string
	dir      string // of its own files
	init     *exec.Cmd
	power    io.WriteCloser // the machine runs until this is closed
	metadata *httptest.Server
	mounted  bool   // its log volume is
	told     string // what was said of that last
	gone     chan struct{}
}

// disk is the directory of a host's own disk, which ends with the host, and volumePlace where the agent waits for the log volume
// in it. Only another file system than that of the disk counts there.
func (o *host) disk() string        { return filepath.Join(o.dir, "disk") }
func (o *host) volumePlace() string { return filepath.Join(o.disk(), "volume") }

// boot is the first process of a host. It gives the host a disk of its own, keeps the agent running as systemd does, and ends
// when the power goes: the end of the test's process is enough.
const boot = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=700 disk "$DISK"
mkdir "$DISK/volume"
exec 3<&0 </dev/null
while :; do
	"$AGENT" run --ec2 --host-dir "$DISK" --record "$DISK" --kafka "$KAFKA" >>"$LOG" 2>&1 3<&- || true
	sleep 1
done &
read -r word <&3 || true
`

// keep makes machines of instances that run and ends those of instances that do not, until the deployment ends.
func (h *hosts) keep() {
	for h.d.pause(100 * time.Millisecond) {
		if err := h.look(); err != nil && h.d.ctx.Err() == nil {
			h.d.complain("hosts: %v", err)
			return
		}
	}
}

func (h *hosts) look() error {
	client := ec2.NewFromConfig(h.d.rules.Config)
	found, err := client.DescribeInstances(h.d.ctx, nil)
	if err != nil {
		return err
	}
	alive := map[string]bool{}
	for _, reservation := range found.Reservations {
		for _, i := range reservation.Instances {
			id := aws.ToString(i.InstanceId)
			if now := string(i.State.Name); h.states[id] != now {
				h.states[id] = now
				h.d.hearOfInstance(id, now)
			}
			switch i.State.Name {
			case ec2types.InstanceStateNameRunning:
				alive[id] = true
				if err := h.ensure(i); err != nil {
					return fmt.Errorf("boot %s: %w", id, err)
				}
			case ec2types.InstanceStateNamePending:
				alive[id] = true
			default: // what ends has no machine any more, from the first moment
			}
		}
	}
	for _, id := range h.ids() {
		if !alive[id] {
			h.powerOff(id)
		}
	}
	return h.bringVolumes()
}

func (h *hosts) ids() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.running))
}

func (h *hosts) find(instance string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[instance]
}

// ensure boots the machine of an instance that has none.
func (h *hosts) ensure(i ec2types.Instance) error {
	id := aws.ToString(i.InstanceId)
	if h.find(id) != nil {
		return nil
	}
	m, err := h.newMetadata(i)
	if err != nil {
		return err
	}
	one := &host{
		instance: id, dir: filepath.Join(h.d.dir, "hosts", id), metadata: m, gone: make(chan struct{}),
	}
	if err := os.MkdirAll(one.disk(), 0o700); err != nil {
		return err
	}
	store, err := kafkadist.UserStore()
	if err != nil {
		return err
	}
	one.init = exec.Command("/bin/sh", "-c", boot)
	one.init.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/root", "JAVA_HOME=" + os.Getenv("JAVA_HOME"),
		"DISK=" + one.disk(), "LOG=" + filepath.Join(one.dir, "agent.log"), "KAFKA=" + store.Dir,
		"AGENT=" + filepath.Join(h.d.built, "bin", "broker-agent"),
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + m.URL, "AWS_ENDPOINT_URL=" + h.d.endpoint,
		"JAVA_TOOL_OPTIONS=-Djdk.net.hosts.file=" + h.d.names.file,
	}
	one.init.SysProcAttr = newMachine()
	log, err := os.Create(filepath.Join(one.dir, "boot.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	one.init.Stdout, one.init.Stderr = log, log
	if one.power, err = one.init.StdinPipe(); err != nil {
		return err
	}
	if err := one.init.Start(); err != nil {
		return fmt.Errorf("a host takes namespaces of its own for processes and mounts, which root can make, or anybody where the kernel lets them: %w", err)
	}
	go func() {
		defer close(one.gone)
		_ = one.init.Wait()
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[id] = one
	return nil
}

// newMachine gives a process its own numbers of processes and its own mounts. Who is not root becomes it in a namespace of users.
func newMachine() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attributes.Cloneflags |= syscall.CLONE_NEWUSER
		attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return attributes
}

// newMetadata gives an instance its metadata: the user data and the role of its launch template, and credentials of that role
// whose session is the instance's own.
func (h *hosts) newMetadata(i ec2types.Instance) (*httptest.Server, error) {
	id := aws.ToString(i.InstanceId)
	data, role, roleID, err := h.d.launchData()
	if err != nil {
		return nil, err
	}
	if data.MetadataOptions == nil || data.MetadataOptions.HttpTokens != ec2types.LaunchTemplateHttpTokensStateRequired {
		return nil, errors.New("the launch template lets metadata be read without a token")
	}
	userData, err := base64.StdEncoding.DecodeString(aws.ToString(data.UserData))
	if err != nil {
		return nil, fmt.Errorf("user data: %w", err)
	}
	key := h.d.issueRoleKey(iam.Principal{
		Name: "host " + id, Role: role, UserID: roleID + ":" + id, Policies: h.d.resources.policies[role],
	})
	return httptest.NewServer(awstest.Metadata{
		InstanceID: id, UserData: string(userData), Role: role[strings.LastIndex(role, "/")+1:],
		Credentials: aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"},
	}), nil
}

// mount puts a directory of this machine somewhere on the host.
func (o *host) mount(dir, at string) error {
	arguments := []string{"--target", fmt.Sprint(o.init.Process.Pid), "--mount"}
	if os.Getuid() != 0 {
		arguments = append(arguments, "--user", "--preserve-credentials")
	}
	out, err := exec.Command("nsenter", append(arguments, "mount", "--bind", dir, at)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Host is a machine that runs for an instance, and what runs on it: process numbers, 0 for what does not.
type Host struct {
	Instance     string
	Agent, Kafka int
}

// Hosts are the machines that run, with their agents and their Kafka, in the order of their instances.
func (d *Deployment) Hosts() []Host {
	d.t.Helper()
	var found []Host
	for _, id := range d.hosts.ids() {
		one := d.hosts.find(id)
		if one == nil {
			continue
		}
		h := Host{Instance: id}
		for _, pid := range one.processes() {
			switch program, _ := os.Readlink(filepath.Join("/proc", fmt.Sprint(pid), "exe")); filepath.Base(program) {
			case "broker-agent":
				h.Agent = pid
			case "java":
				h.Kafka = pid
			}
		}
		found = append(found, h)
	}
	return found
}

// processes are those that live on a host, by their numbers on this machine.
func (o *host) processes() []int {
	const space = "ns/pid"
	own, err := os.Readlink(filepath.Join("/proc", fmt.Sprint(o.init.Process.Pid), space))
	if err != nil {
		return nil // it has ended
	}
	entries, _ := os.ReadDir("/proc") // there is one, or nothing runs
	var found []int
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		if in, err := os.Readlink(filepath.Join("/proc", e.Name(), space)); err == nil && in == own {
			found = append(found, pid)
		}
	}
	return found
}

// powerOff ends a machine with everything in it, and waits until it is gone.
func (h *hosts) powerOff(instance string) {
	one := h.find(instance)
	if one == nil {
		return
	}
	_ = one.init.Process.Kill() // with it go all processes of its namespace
	<-one.gone
	one.metadata.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, instance)
}

// tellLogs gives the ends of the logs on the disks of the hosts that run.
func (h *hosts) tellLogs(tell func(name, text string)) {
	for _, id := range h.ids() {
		one := h.find(id)
		if one == nil {
			continue
		}
		inside := filepath.Join("/proc", fmt.Sprint(one.init.Process.Pid), "root", one.disk())
		files, _ := filepath.Glob(filepath.Join(inside, "logs", "*"))
		for _, file := range files {
			tell(id+" "+filepath.Base(file), tail(file))
		}
	}
}

func (h *hosts) powerOffAll() {
	for _, id := range h.ids() {
		h.powerOff(id)
	}
}
