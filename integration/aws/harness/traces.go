package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Segment is a part of a trace, as X-Ray's daemon is sent it.
type Segment struct {
	Name        string         `json:"name"`
	TraceID     string         `json:"trace_id"`
	ParentID    string         `json:"parent_id"`
	Annotations map[string]any `json:"annotations"`
}

// traces stand for X-Ray's daemon: they keep what functions send.
type traces struct {
	conn *net.UDPConn

	mu      sync.Mutex
	packets [][]byte
}

func startTraces() (*traces, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	// Functions send in bursts, and nobody sends again what is lost. Only root gets more room than is usual.
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	const room = 8 << 20
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, room) // it gives as much as it may
		}
	})
	if err != nil {
		return nil, err
	}
	t := &traces{conn: conn}
	go t.read()
	return t, nil
}

func (t *traces) address() string { return t.conn.LocalAddr().String() }

func (t *traces) read() {
	packet := make([]byte, 64<<10)
	for {
		n, _, err := t.conn.ReadFrom(packet)
		if err != nil {
			return // it is closed
		}
		t.mu.Lock()
		t.packets = append(t.packets, bytes.Clone(packet[:n]))
		t.mu.Unlock()
	}
}

func (t *traces) all() []Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	segments := make([]Segment, len(t.packets))
	for i, packet := range t.packets {
		_, document, _ := bytes.Cut(packet, []byte("\n"))
		if err := json.Unmarshal(document, &segments[i]); err != nil {
			segments[i].Name = fmt.Sprintf("unreadable: %v: %s", err, document)
		}
	}
	return segments
}
