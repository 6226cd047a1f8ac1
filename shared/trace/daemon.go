package trace

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"strings"
	"time"
)

// daemon is where spans are sent, once [Enable] has found it. It is set before any work begins.
var daemon *sender

// Enable has this process traced where Lambda traces the function: it names X-Ray's daemon in AWS_XRAY_DAEMON_ADDRESS then.
// It is called once, before anything else of this package. AWS_XRAY_SDK_DISABLED=true has it do nothing, as AWS's libraries do.
func Enable() {
	daemon = nil
	address := os.Getenv("AWS_XRAY_DAEMON_ADDRESS")
	for field := range strings.FieldsSeq(address) { // host:port, or "tcp:host:port udp:host:port"
		if udp, ok := strings.CutPrefix(field, "udp:"); ok {
			address = udp
		}
	}
	if address == "" || strings.EqualFold(os.Getenv("AWS_XRAY_SDK_DISABLED"), "true") {
		return
	}
	conn, err := net.Dial("udp", address) //nolint:noctx // it asks nobody
	if err != nil {
		return // a function works without its traces
	}
	daemon = &sender{conn}
}

type sender struct{ conn net.Conn }

// send sends a span by itself; X-Ray puts a trace together by the ids. What gets lost harms nobody, so nobody is told.
func (s *sender) send(d document) {
	text, err := json.Marshal(d)
	if err != nil {
		return
	}
	_, _ = s.conn.Write(append([]byte(`{"format":"json","version":1}`+"\n"), text...))
}

// document is a subsegment as X-Ray reads it; see https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html.
type document struct {
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	ID          string            `json:"id"`
	TraceID     string            `json:"trace_id"`
	ParentID    string            `json:"parent_id"`
	Start       float64           `json:"start_time"`
	End         float64           `json:"end_time"`
	Error       bool              `json:"error,omitempty"` // the caller's
	Fault       bool              `json:"fault,omitempty"` // ours, or AWS's
	Throttle    bool              `json:"throttle,omitempty"`
	Cause       *cause            `json:"cause,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Namespace   string            `json:"namespace,omitempty"` // aws for a call of AWS
	AWS         *awsCall          `json:"aws,omitempty"`
}

type cause struct {
	Exceptions []exception `json:"exceptions"`
}

type exception struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

type awsCall struct {
	Operation string `json:"operation"`
	Region    string `json:"region,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Retries   int    `json:"retries,omitempty"`
}

// newID makes the id of a span: 64 random bits.
func newID() string {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // never fails
	return hex.EncodeToString(bits[:])
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
