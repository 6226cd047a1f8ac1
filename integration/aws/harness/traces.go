package harness

import (
	"bytes"
	"encoding/json"
	"net"
	"sync"
)

// Segment is a part of a trace, as X-Ray's daemon is sent it.
type Segment struct {
	Name        string         `json:"name"`
	TraceID     string         `json:"trace_id"`
	ParentID    string         `json:"parent_id"`
	Annotations map[string]any `json:"annotations"`
	Metadata    map[string]any `json:"metadata"`
	Subsegments []Segment      `json:"subsegments"`
}

// traces stand for X-Ray's daemon: they keep what functions send.
type traces struct {
	conn net.PacketConn

	mu       sync.Mutex
	segments []Segment
}

func startTraces() (*traces, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
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
		_, document, _ := bytes.Cut(packet[:n], []byte("\n"))
		var s Segment
		if err := json.Unmarshal(document, &s); err != nil {
			continue
		}
		t.mu.Lock()
		t.segments = append(t.segments, s)
		t.mu.Unlock()
	}
}

func (t *traces) all() []Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Segment(nil), t.segments...)
}
