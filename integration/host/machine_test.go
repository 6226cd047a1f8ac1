package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/host/kernel"
	"github.com/millrace/millrace/integration/host/wire"
)

// A volume is an EBS volume of the rehearsal: a file that outlives the machines it is attached to.
type volume struct {
	id   string // such as vol-0aaa
	file string
	kind string // of disk that the emulator makes of it
}

// Nitro instances have NVMe disks alone; the emulator has none that grow.
const (
	grows = "virtio-blk-pci"
	fixed = "nvme"
)

func (r *rehearsal) volume(id, kind string, mib int64) volume {
	r.t.Helper()
	v := volume{id, filepath.Join(r.dir, id), kind}
	if err := os.WriteFile(v.file, nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Truncate(v.file, mib<<20); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// serial is what a Nitro instance's disk says it is.
func (v volume) serial() string { return strings.ReplaceAll(v.id, "-", "") }

// drive is what the emulator is told of it. It is made of what the volume is by now, whatever machine had it before.
func (v volume) drive() string {
	return fmt.Sprintf("if=none,id=%s,file=%s,format=raw", v.serial(), v.file)
}

// rehearsal is what the machines of one test have in common.
type rehearsal struct {
	t    *testing.T
	dir  string
	kit  kit
	root volume
}

// kit is what machines are made of.
type kit struct{ kernel, initrd string }

// machine is a host: a kernel of its own, with root's tools, in an emulator.
type machine struct {
	t       *testing.T
	process *exec.Cmd
	console *console
	ended   chan struct{}
	monitor *monitor
	slots   map[string]bool // ports, and whether they are free

	line net.Conn
	mu   sync.Mutex
	last int
	wait map[int]chan wire.Answer
}

// patience bounds every wait. A machine without a processor of its own is slow, and a busy one beneath it makes it slower.
const patience = 2 * time.Minute

// boot starts a host that has volumes attached from the beginning, and returns once it is up.
func (r *rehearsal) boot(t *testing.T, volumes ...volume) *machine {
	t.Helper()
	sockets, err := os.MkdirTemp("", "host") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, ended: make(chan struct{}), console: &console{}, slots: map[string]bool{}, wait: map[int]chan wire.Answer{}}
	volumes = append([]volume{r.root}, volumes...)
	args := []string{
		"-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max", "-m", "384", "-M", "q35", "-nodefaults", "-no-user-config",
		"-display", "none", "-no-reboot",
		"-kernel", r.kit.kernel, "-initrd", r.kit.initrd, "-append", "console=ttyS0 panic=-1 quiet rdinit=/init",
		"-serial", "stdio",
		"-serial", "unix:" + filepath.Join(sockets, "line") + ",server=on,wait=on",
		"-qmp", "unix:" + filepath.Join(sockets, "monitor") + ",server=on,wait=off",
	}
	for slot := 1; slot <= 4; slot++ {
		id := fmt.Sprintf("slot%d", slot)
		args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=%s,chassis=%d,slot=%d", id, slot, slot))
		m.slots[id] = true
	}
	for i, v := range volumes {
		slot := fmt.Sprintf("slot%d", i+1)
		m.slots[slot] = false
		args = append(args, "-drive", v.drive(),
			"-device", fmt.Sprintf("%s,id=d%s,drive=%s,serial=%s,bus=%s", v.kind, v.serial(), v.serial(), v.serial(), slot))
	}
	m.process = exec.Command("qemu-system-x86_64", args...)
	m.process.Stdout, m.process.Stderr = m.console, m.console
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.process.Wait()
		close(m.ended)
	}()
	t.Cleanup(func() {
		m.cutPower()
		os.RemoveAll(sockets)
		if t.Failed() {
			t.Logf("console of a machine:\n%s", m.console.String())
		}
	})
	m.line = m.dial(filepath.Join(sockets, "line"))
	up := make(chan wire.Answer, 1)
	m.wait[0] = up
	go m.listen()
	m.monitor = newMonitor(t, m.dial(filepath.Join(sockets, "monitor")))
	m.await(up)
	return m
}

func (m *machine) dial(socket string) net.Conn {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			return c
		}
		select {
		case <-m.ended:
			m.t.Fatalf("the emulator has ended: %s", m.console)
		default:
		}
		if time.Now().After(deadline) {
			m.t.Fatal(err)
		}
	}
}

// did is how root's part says that it has done something.
func did(what string) string { return fmt.Sprintf(`"did":"%s"`, what) }

// agent runs a command of the agent's, whose log goes to the console, and waits for its end.
func (m *machine) agent(command string) {
	m.t.Helper()
	m.do(wire.Request{Do: wire.Run, Path: "/dev/console", Args: []string{"broker-agent", command}})
}

// startAgent is agent, without the wait.
func (m *machine) startAgent(command string) (pid int64) {
	m.t.Helper()
	return m.do(wire.Request{Do: wire.Start, Args: []string{"broker-agent", command}}).Number
}

// name does what the agent does when it has its spec.
func (m *machine) name(v volume) {
	m.t.Helper()
	m.do(wire.Request{Do: wire.Write, Path: "/var/lib/millrace/first-volume", Args: []string{v.id}})
}

// read gives a file.
func (m *machine) read(path string) string {
	m.t.Helper()
	return m.run("cat", path)
}

// cutPower ends the machine at once: what was not on a disk by now is lost.
func (m *machine) cutPower() {
	_ = m.process.Process.Kill()
	<-m.ended
}

func (m *machine) listen() {
	answers := bufio.NewReader(m.line)
	for {
		text, err := answers.ReadBytes('\n')
		if err != nil {
			return
		}
		var a wire.Answer
		if json.Unmarshal(text, &a) != nil {
			continue // noise of the line while it is opened
		}
		m.mu.Lock()
		c := m.wait[a.ID]
		delete(m.wait, a.ID)
		m.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
}

func (m *machine) await(answer <-chan wire.Answer) wire.Answer {
	m.t.Helper()
	select {
	case a := <-answer:
		return a
	case <-m.ended:
		m.t.Fatal("the machine has ended")
	case <-time.After(patience):
		m.t.Fatal("the machine does not answer")
	}
	return wire.Answer{}
}

// ask sends a request, whose answer comes when it is done.
func (m *machine) ask(r wire.Request) <-chan wire.Answer {
	m.t.Helper()
	answer := make(chan wire.Answer, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	r.ID = m.last
	m.wait[r.ID] = answer
	text, err := json.Marshal(r)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.line.Write(append(text, '\n')); err != nil {
		m.t.Fatal(err)
	}
	return answer
}

// do sends a request and waits until it is done well.
func (m *machine) do(r wire.Request) wire.Answer {
	m.t.Helper()
	a := m.await(m.ask(r))
	if a.Error != "" {
		m.t.Fatalf("%s %s %v: %s\n%s", r.Do, r.Path, r.Args, a.Error, a.Output)
	}
	return a
}

// run runs a program, and gives what it printed.
func (m *machine) run(args ...string) string {
	m.t.Helper()
	return m.do(wire.Request{Do: wire.Run, Args: args}).Output
}

// attach attaches a volume, as EBS does: while the machine runs.
func (m *machine) attach(v volume) {
	m.t.Helper()
	for slot, free := range m.slots {
		if !free {
			continue
		}
		m.slots[slot] = false
		m.monitor.do("human-monitor-command", map[string]any{"command-line": "drive_add 0 " + v.drive()})
		m.monitor.do("device_add", map[string]any{"driver": v.kind, "id": "d" + v.serial(), "drive": v.serial(), "serial": v.serial(), "bus": slot})
		return
	}
	m.t.Fatal("no port is free")
}

// awaitConsole waits until the machine has printed something so many times.
func (m *machine) awaitConsole(text string, times int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(m.console.String(), text) < times; time.Sleep(5 * time.Millisecond) {
		select {
		case <-m.ended:
			m.t.Fatal("the machine has ended")
		default:
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("no %q %d times", text, times)
		}
	}
}

// enlarge makes an attached volume larger.
func (m *machine) enlarge(v volume, mib int64) {
	m.t.Helper()
	m.monitor.do("block_resize", map[string]any{"device": v.serial(), "size": mib << 20})
}

// detach takes a volume away from the machine.
func (m *machine) detach(v volume) {
	m.t.Helper()
	m.monitor.do("device_del", map[string]any{"id": "d" + v.serial()})
	m.awaitDisks(func(disks string) bool { return !strings.Contains(disks, v.serial()) })
}

// awaitDisk waits until the kernel has a volume.
func (m *machine) awaitDisk(v volume) {
	m.t.Helper()
	m.awaitDisks(func(disks string) bool { return strings.Contains(disks, v.serial()) })
}

// pathOf gives the path of the disk that an attached volume is.
func (m *machine) pathOf(v volume) string {
	m.t.Helper()
	for line := range strings.Lines(m.run("lsblk", "--nodeps", "--noheadings", "--output", "PATH,SERIAL")) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == v.serial() {
			return f[0]
		}
	}
	m.t.Fatalf("%s is not attached", v.id)
	return ""
}

func (m *machine) awaitDisks(are func(string) bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !are(m.run("lsblk", "--output", "PATH,SERIAL")); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatal("the disks stay as they are")
		}
	}
}

// awaitParts lets root's part look again and again, as its timer does, until the log volume is made of so many volumes and as large as
// they all.
func (m *machine) awaitParts(count int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); strings.Count(m.read(recordFile), "vol-") < count; {
		m.agent("grow")
		if time.Now().After(deadline) {
			m.t.Fatal("nothing is joined")
		}
	}
	m.agent("grow") // which may only wait for what another one has begun, above
}

const recordFile = "/run/millrace/log-volume.json"

// awaitMove waits until LVM moves something.
func (m *machine) awaitMove() {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(m.run("dmsetup", "table"), "mirror"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatal("nothing is moved")
		}
	}
}

// awaitMerged does likewise until nothing is on so many further volumes any more.
func (m *machine) awaitMerged(count int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		m.agent("grow")
		if _, left := m.parts(); len(left) == count {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatal("it is not merged")
		}
	}
}

// limit lets a volume take and give no more than so many bytes a second; 0 for as many as it can.
func (m *machine) limit(v volume, bytesPerSecond int64) {
	m.t.Helper()
	m.monitor.do("block_set_io_throttle", map[string]any{
		"device": v.serial(), "bps": bytesPerSecond, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0,
	})
}

// monitor is the emulator's own line of control (QMP).
type monitor struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func newMonitor(t *testing.T, conn net.Conn) *monitor {
	t.Helper()
	m := &monitor{t, conn, bufio.NewReader(conn)}
	m.do("qmp_capabilities", nil)
	return m
}

func (m *monitor) do(command string, arguments map[string]any) {
	m.t.Helper()
	text, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if arguments == nil {
		text, err = json.Marshal(map[string]any{"execute": command})
	}
	if err != nil {
		m.t.Fatal(err)
	}
	_, err = m.conn.Write(text)
	for err == nil {
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Description string `json:"desc"`
			} `json:"error"`
		}
		var line []byte
		if line, err = m.r.ReadBytes('\n'); err != nil {
			break
		}
		switch err = json.Unmarshal(line, &answer); {
		case err != nil:
		case answer.Error != nil:
			err = errors.New(answer.Error.Description)
		case answer.Return != nil:
			return
		}
	}
	m.t.Fatalf("%s: %v", command, err)
}

// console is what a machine prints.
type console struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// programs are root's tools that a host of ours has; the machine gets those of the machine that the test runs on.
var programs = []string{"lvm", "dmsetup", "mkfs.xfs", "xfs_growfs", "blkid", "lsblk", "mount", "cat"}

// pack makes the file system that a machine has in memory: programs, what they are linked with, modules of the kernel, ours.
func pack(path string, k kernel.Kernel, ours map[string]string) error {
	a := &archive{there: map[string]bool{}}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/var/lib/millrace"} {
		a.directory(dir)
	}
	if err := a.add("/etc/passwd", []byte("root:x:0:0::/:/bin/sh\n"), 0o644); err != nil {
		return err
	}
	if err := a.add("/etc/group", []byte("root:x:0:\n"), 0o644); err != nil {
		return err
	}
	// There is no udev to wait for.
	if err := a.add("/etc/lvm/lvm.conf", []byte("activation { udev_sync = 0 udev_rules = 0 }\n"), 0o644); err != nil {
		return err
	}
	for i, module := range k.Modules {
		if err := a.copy(fmt.Sprintf("/modules/%02d-%s", i, filepath.Base(module)), module); err != nil {
			return err
		}
	}
	for at, file := range ours {
		if err := a.copy(at, file); err != nil {
			return err
		}
	}
	for _, program := range programs {
		if err := a.program(program); err != nil {
			return err
		}
	}
	return os.WriteFile(path, a.end(), 0o600)
}

// archive is a cpio archive as kernels read it (newc).
type archive struct {
	content bytes.Buffer
	there   map[string]bool
}

func (a *archive) entry(name string, mode int, content []byte) {
	number := len(a.there) + 1
	fmt.Fprintf(&a.content, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	a.pad()
	a.content.Write(content)
	a.pad()
	a.there[name] = true
}

func (a *archive) pad() {
	for a.content.Len()%4 != 0 {
		a.content.WriteByte(0)
	}
}

func (a *archive) directory(path string) {
	if path == "/" || a.there[strings.TrimPrefix(path, "/")] {
		return
	}
	a.directory(filepath.Dir(path))
	a.entry(strings.TrimPrefix(path, "/"), 0o040755, nil)
}

func (a *archive) add(path string, content []byte, mode int) error {
	if !a.there[strings.TrimPrefix(path, "/")] {
		a.directory(filepath.Dir(path))
		a.entry(strings.TrimPrefix(path, "/"), 0o100000|mode, content)
	}
	return nil
}

func (a *archive) copy(path, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return a.add(path, content, 0o755)
}

func (a *archive) program(name string) error {
	from, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	if err := a.copy("/usr/bin/"+name, from); err != nil {
		return err
	}
	libraries, err := exec.Command("ldd", from).Output()
	if err != nil {
		return nil // it is linked with nothing
	}
	for _, word := range strings.Fields(string(libraries)) {
		if !filepath.IsAbs(word) {
			continue
		}
		if err := a.copy(word, word); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) end() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.content.Bytes()
}
