package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// Config says where a local platform lives.
type Config struct {
	Layout Layout
	Region string
	// Agent is the path of the broker-agent program, Software the directory that hosts keep Kafka's jars in.
	Agent, Software string
	// GiB is how many bytes a GiB of a volume has, and VolumeRests how long one takes no other change after one; see [Volumes].
	GiB         int64
	VolumeRests time.Duration
}

// Account is the account of everything local.
const Account = "000000000000"

// Platform is an opened data directory. One process has it at a time.
type Platform struct {
	Layout      Layout
	Database    *bbolt.DB
	Records     records.Records
	Hosts       *Hosts
	Volumes     Volumes
	Addresses   *Addresses
	Secrets     Secrets
	Seal        Seal
	Zones       Zones
	Credentials Credentials

	unlock func()
}

// Open takes a data directory and makes it when it is not there.
// It returns Conflict when another control plane has it, and Invalid when it was made for another region.
func Open(c Config) (*Platform, error) {
	if err := c.Layout.Create(); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	unlock, err := c.Layout.Lock()
	if err != nil {
		return nil, err
	}
	// A crashed control plane has left its announcement, which our lock would make true.
	if err := c.Layout.Depart(); err != nil {
		unlock()
		return nil, err
	}
	if err := c.Layout.tidy(); err != nil {
		unlock()
		return nil, err
	}
	p, err := open(c)
	if err != nil {
		unlock()
		return nil, err
	}
	p.unlock = unlock
	return p, nil
}

func open(c Config) (*Platform, error) {
	if err := c.Layout.ensureRegion(c.Region); err != nil {
		return nil, err
	}
	credentials, err := c.Layout.EnsureCredentials()
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	seal, err := c.Layout.EnsureSeal()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	db, err := bbolt.Open(c.Layout.database(), 0o600, &bbolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Layout.database(), err)
	}
	table, err := NewTable(db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	hosts := &Hosts{Layout: c.Layout, Agent: c.Agent, Software: c.Software}
	return &Platform{
		Layout:      c.Layout,
		Database:    db,
		Records:     records.Records{Table: table},
		Hosts:       hosts,
		Volumes:     Volumes{Layout: c.Layout, Hosts: hosts, GiB: c.GiB, Rests: c.VolumeRests},
		Addresses:   &Addresses{Layout: c.Layout},
		Secrets:     Secrets{Layout: c.Layout},
		Seal:        seal,
		Zones:       Zones{Region: c.Region},
		Credentials: credentials,
	}, nil
}

// Close lets go of the data directory. Hosts go on running.
func (p *Platform) Close() error {
	err := p.Database.Close()
	p.unlock()
	return err
}

// Lock takes a data directory for this process, until unlock or the end of the process.
// It returns Conflict when another process has it.
func (l Layout) Lock() (unlock func(), err error) {
	f, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	for range 10 { // somebody who asks in isFree has it for a moment
		if !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(5 * time.Millisecond)
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, fault.New(fault.Conflict, "another control plane has %s", l.Dir)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return func() { f.Close() }, nil
}

// Running describes the control plane that has a data directory.
type Running struct {
	PID       int       `json:"pid"`
	Address   string    `json:"address"` // host:port of its front door
	Region    string    `json:"region"`
	StartedAt time.Time `json:"startedAt"`
}

// Announce writes who serves a data directory. The lock, not this file, says whether it still lives.
func (l Layout) Announce(r Running) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(l.running(), content)
}

// Running tells which control plane serves a data directory, or returns NotFound when none does.
func (l Layout) Running() (Running, error) {
	none := fault.New(fault.NotFound, "no control plane runs on %s", l.Dir)
	content, err := os.ReadFile(l.running())
	if errors.Is(err, fs.ErrNotExist) {
		return Running{}, none
	}
	if err != nil {
		return Running{}, err
	}
	free, err := l.isFree()
	if err != nil {
		return Running{}, err
	}
	if free {
		return Running{}, none // it ended without a word
	}
	var r Running
	if err := json.Unmarshal(content, &r); err != nil {
		return Running{}, fmt.Errorf("read %s: %w", l.running(), err)
	}
	return r, nil
}

// isFree tells whether nobody has the data directory. Any number may ask at once: a shared lock is refused only while the
// exclusive one is held.
func (l Layout) isFree() (bool, error) {
	f, err := os.Open(l.lock())
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Depart removes the announcement.
func (l Layout) Depart() error {
	if err := os.Remove(l.running()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
