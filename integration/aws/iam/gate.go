package iam

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Gate lets through what the caller's policies allow, and answers everything else as AWS does. It is safe for concurrent
// use.
type Gate struct {
	Reader Reader
	// Caller finds who has an access key; known is false for a key that nobody has.
	Caller func(accessKeyID string) (p Principal, known bool)
	// Next gets what is allowed.
	Next http.Handler

	mu       sync.Mutex
	refusals []Refusal
	calls    map[string]map[string]bool // caller, action
}

// Refusal is a request that was not let through.
type Refusal struct {
	Caller string
	Check  Check
	Why    error // set when the request could not be judged
}

func (r Refusal) String() string {
	if r.Why != nil {
		return fmt.Sprintf("%s: %v", r.Caller, r.Why)
	}
	return fmt.Sprintf("%s may not do %s (%v)", r.Caller, r.Check, r.Check.Keys)
}

// Refusals are all requests that were not let through.
func (g *Gate) Refusals() []Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Refusal(nil), g.refusals...)
}

// Used tells which actions a caller needed, as name to true.
func (g *Gate) Used(caller string) map[string]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]bool{}
	for action := range g.calls[caller] {
		out[action] = true
	}
	return out
}

func (g *Gate) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	body, err := io.ReadAll(h.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.Body = io.NopCloser(bytes.NewReader(body))
	q, err := Parse(h, body)
	if err != nil {
		g.refuse(w, q, Refusal{Caller: "somebody", Why: err})
		return
	}
	p, known := g.Caller(q.Key)
	if !known {
		g.refuse(w, q, Refusal{Caller: "access key " + q.Key, Why: fmt.Errorf("%s by a key that nobody has", q)})
		return
	}
	checks, err := g.Reader.Checks(q)
	if err != nil {
		g.refuse(w, q, Refusal{Caller: p.Name, Why: err})
		return
	}
	for _, c := range checks {
		g.note(p.Name, c.Action)
		if allowed, err := p.Allows(c); !allowed || err != nil {
			g.refuse(w, q, Refusal{Caller: p.Name, Check: c, Why: err})
			return
		}
	}
	g.Next.ServeHTTP(w, h)
}

// ChecksOf gives what a request on the wire needs, whoever sends it.
func (r Reader) ChecksOf(h *http.Request) ([]Check, error) {
	body, err := io.ReadAll(h.Body)
	if err != nil {
		return nil, err
	}
	q, err := Parse(h, body)
	if err != nil {
		return nil, err
	}
	return r.Checks(q)
}

func (g *Gate) note(caller, action string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.calls == nil {
		g.calls = map[string]map[string]bool{}
	}
	if g.calls[caller] == nil {
		g.calls[caller] = map[string]bool{}
	}
	g.calls[caller][action] = true
}

func (g *Gate) refuse(w http.ResponseWriter, q Request, r Refusal) {
	g.mu.Lock()
	g.refusals = append(g.refusals, r)
	g.mu.Unlock()
	message := fmt.Sprintf("%s is not authorized to perform: %s because no identity-based policy allows the action", r.Caller, r.Check)
	if r.Why != nil {
		message = r.Why.Error()
	}
	tellRefusal(w, q.protocol, message)
}

// tellRefusal answers in the words of a protocol.
func tellRefusal(w http.ResponseWriter, p protocol, message string) {
	quoted, _ := json.Marshal(message)
	switch p {
	case queryEC2:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>%s</Message></Error></Errors><RequestID>gate</RequestID></Response>`, escapeXML(message))
	case query, restXML:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>%s</Message></Error><RequestId>gate</RequestId></ErrorResponse>`, escapeXML(message))
	case cborRPC:
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		w.WriteHeader(http.StatusForbidden)
		w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("AccessDeniedException"), "message": cbor.String(message)}))
	default:
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":%s}`, quoted)
	}
}

func escapeXML(s string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(s)) // a buffer takes everything
	return out.String()
}
