// Command guest is the first and only process of its own on the machines of the rehearsal: it makes a bare kernel into a host with
// root's tools, and does there what the test asks for on the second serial line.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/integration/host/wire"
)

func main() {
	if err := boot(); err != nil {
		fmt.Println("guest:", err)
	}
	line, err := openLine("/dev/ttyS1")
	if err != nil {
		fmt.Println("guest:", err)
		return
	}
	(&guest{line: line, loads: map[string]*load{}, started: map[int]*exec.Cmd{}}).serve()
}

// boot mounts what every program expects to be there, and loads the modules that lie in /modules, in the order of their names.
func boot() error {
	for _, m := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m[0], m[1], m[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m[1], err)
		}
	}
	if err := os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	modules, err := filepath.Glob("/modules/*.ko")
	if err != nil {
		return err
	}
	for _, path := range modules {
		module, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := unix.InitModule(module, ""); err != nil {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	go actUdev()
	return bootDisk()
}

// bootDisk mounts the first NVMe disk as the root that a real machine would have. It lies over that in memory, which we go on to use.
func bootDisk() error {
	const path = "/dev/nvme0n1"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Mount(path, "/", "xfs", unix.MS_RDONLY, "norecovery")
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// actUdev says of disks of the emulator's own kind what udev would say of them: their serial numbers.
func actUdev() {
	if err := os.MkdirAll("/run/udev/data", 0o755); err != nil {
		fmt.Println("guest:", err)
		return
	}
	for ; ; time.Sleep(50 * time.Millisecond) {
		serials, _ := filepath.Glob("/sys/block/vd*/serial")
		for _, path := range serials {
			number, err := os.ReadFile(filepath.Join(filepath.Dir(path), "dev"))
			serial, err2 := os.ReadFile(path)
			entry := "/run/udev/data/b" + strings.TrimSpace(string(number))
			if _, there := os.Stat(entry); there == nil || err != nil || err2 != nil {
				continue
			}
			_ = os.WriteFile(entry, []byte("E:ID_SERIAL_SHORT="+strings.TrimSpace(string(serial))+"\n"), 0o644)
		}
	}
}

// openLine opens a serial line that passes on every byte as it is.
func openLine(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	mode.Iflag, mode.Oflag, mode.Lflag = 0, 0, 0
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	return f, unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, mode)
}

type guest struct {
	line io.ReadWriter

	mu      sync.Mutex // of all below, and of writes to the line
	loads   map[string]*load
	started map[int]*exec.Cmd
}

// serve answers every request as soon as it is done, in whatever order that is.
func (g *guest) serve() {
	g.answer(wire.Answer{}) // it is there
	requests := bufio.NewReader(g.line)
	for {
		text, err := requests.ReadBytes('\n')
		if err != nil {
			fmt.Println("guest: the line has ended:", err)
			return
		}
		var r wire.Request
		if err := json.Unmarshal(text, &r); err != nil {
			fmt.Println("guest:", err)
			continue
		}
		go func() {
			a, err := g.do(r)
			if a.ID = r.ID; err != nil {
				a.Error = err.Error()
			}
			g.answer(a)
		}()
	}
}

func (g *guest) answer(a wire.Answer) {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // an Answer always has a JSON form
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = g.line.Write(append(text, '\n'))
}

func (g *guest) do(r wire.Request) (wire.Answer, error) {
	switch r.Do {
	case wire.Run:
		return run(r.Args, r.Path)
	case wire.Start:
		return g.start(r.Args)
	case wire.Kill:
		return wire.Answer{}, g.kill(int(r.Number))
	case wire.Write:
		return wire.Answer{}, os.WriteFile(r.Path, []byte(r.Args[0]), 0o644)
	case wire.Fill:
		return wire.Answer{}, fill(r.Path, r.Number)
	case wire.Check:
		return wire.Answer{}, check(r.Path, r.Number)
	case wire.Size:
		var s unix.Statfs_t
		err := unix.Statfs(r.Path, &s)
		return wire.Answer{Number: int64(s.Blocks) * s.Bsize}, err
	case wire.Load:
		l, err := startLoad(r.Path)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.loads[r.Path] = l
		return wire.Answer{}, err
	case wire.Loaded:
		g.mu.Lock()
		l := g.loads[r.Path]
		g.mu.Unlock()
		records, longest, err := l.state()
		return wire.Answer{Number: records, Millis: longest.Milliseconds()}, err
	case wire.CheckLoad:
		return wire.Answer{}, checkLoad(r.Path, r.Number)
	case wire.Tear:
		return wire.Answer{}, tear(r.Path)
	default:
		return wire.Answer{}, errors.New("what is " + r.Do + "?")
	}
}

// run runs a program, whose output is the answer, or goes to a file.
func run(args []string, to string) (wire.Answer, error) {
	command := exec.Command(args[0], args[1:]...)
	if to == "" {
		out, err := command.CombinedOutput()
		return wire.Answer{Output: string(out)}, err
	}
	f, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return wire.Answer{}, err
	}
	defer f.Close()
	command.Stdout, command.Stderr = f, f
	return wire.Answer{}, command.Run()
}

// start starts a program in a session of its own, whose output goes to the console.
func (g *guest) start(args []string) (wire.Answer, error) {
	command := exec.Command(args[0], args[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stdout
	if err := command.Start(); err != nil {
		return wire.Answer{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started[command.Process.Pid] = command
	return wire.Answer{Number: int64(command.Process.Pid)}, nil
}

// kill ends a program that was started, and leaves alone what that has started.
func (g *guest) kill(pid int) error {
	g.mu.Lock()
	command := g.started[pid]
	delete(g.started, pid)
	g.mu.Unlock()
	if command == nil {
		return fmt.Errorf("no program was started as process %d", pid)
	}
	if err := command.Process.Kill(); err != nil {
		return err
	}
	if err := command.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
		return err
	}
	return nil
}

// fill writes a file whose bytes can be told from any other's at any other place, and returns once it is on the disk.
func fill(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(w, wire.Content(path), size)
	return errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

func check(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil { // what is on the disk, not what is in memory
		return err
	}
	return wire.Same(bufio.NewReaderSize(f, 1<<20), wire.Content(path), size)
}

// load appends to a file for as long as the machine lives, and counts what is on the disk for certain.
type load struct {
	mu      sync.Mutex
	records int64
	longest time.Duration
	failed  error
}

func startLoad(path string) (*load, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	l := &load{}
	go l.run(f)
	return l, nil
}

func (l *load) run(f *os.File) {
	for ; ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		number := l.records
		l.mu.Unlock()
		began := time.Now()
		_, err := f.Write(wire.Record(number))
		err = errors.Join(err, unix.Fdatasync(int(f.Fd())))
		took := time.Since(began)
		l.mu.Lock()
		l.longest = max(l.longest, took)
		if l.failed = err; err == nil {
			l.records++
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *load) state() (records int64, longest time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records, l.longest, l.failed
}

// checkLoad looks for the records that were on the disk for certain; more may be.
func checkLoad(path string, records int64) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for number := range records {
		want := wire.Record(number)
		at := number * int64(len(want))
		if at+int64(len(want)) > int64(len(content)) || string(content[at:at+int64(len(want))]) != string(want) {
			return fmt.Errorf("record %d of %d in %s is lost", number, records, path)
		}
	}
	return nil
}

// tear does to a disk that is ready for LVM what a power cut does between the two writes of vgextend: its label has the mark of a
// group, and nothing records which group that is.
func tear(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// The label is the second sector. Its checksum is of all that comes after that; LVM leaves out the last step of CRC-32, and begins
	// it with a number of its own. The mark is the first of the flags, after the lists of one area for data and one for records.
	const sector, sumAt, summedAt, flagsAt, seed = 512, 16, 20, 140, 0xf597a6cf
	label := make([]byte, sector)
	if _, err := f.ReadAt(label, sector); err != nil {
		return err
	}
	sum := func() uint32 { return ^crc32.Update(^uint32(seed), crc32.IEEETable, label[summedAt:]) }
	if got := binary.LittleEndian.Uint32(label[sumAt:]); string(label[:8]) != "LABELONE" || got != sum() {
		return fmt.Errorf("no label of LVM's on %s, or one of another sum than %x", path, got)
	}
	binary.LittleEndian.PutUint32(label[flagsAt:], 1)
	binary.LittleEndian.PutUint32(label[sumAt:], sum())
	_, err = f.WriteAt(label, sector)
	return err
}
