package httpmailbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/nodespec/httpmailbox"
	"github.com/millrace/millrace/shared/nodespec/mailboxtest"
)

// post is the control plane's side: one spec and the last heartbeat per host, and a token for each.
type post struct {
	tokens map[string]string
	specs  map[string]nodespec.Spec
	beats  map[string]nodespec.Heartbeat
	broken bool
}

// working is an error while the post is broken.
func (p *post) working() error {
	if p.broken {
		return fault.New(fault.Unavailable, "the store is closed")
	}
	return nil
}

func (p *post) Token(_ context.Context, hostID string) (string, error) {
	token, ok := p.tokens[hostID]
	if !ok {
		return "", fault.New(fault.NotFound, "host %s does not exist", hostID)
	}
	return token, nil
}

func (p *post) Spec(_ context.Context, hostID string, above int64) (nodespec.Spec, bool, error) {
	spec, ok := p.specs[hostID]
	return spec, ok && spec.Generation > above, p.working()
}

func (p *post) PutBeat(_ context.Context, hostID string, beat nodespec.Heartbeat) error {
	if err := p.working(); err != nil {
		return err
	}
	p.beats[hostID] = beat
	return nil
}

// startPost serves a post where the host i-1 exists with the token "right", and gives the file that names its endpoint.
func startPost(t *testing.T) (*post, string) {
	t.Helper()
	p := &post{
		tokens: map[string]string{"i-1": "right", "i-none": ""},
		specs:  map[string]nodespec.Spec{},
		beats:  map[string]nodespec.Heartbeat{},
	}
	handler := httpmailbox.Handler{Tokens: p, Specs: p, Beats: p}
	server := httptest.NewServer(http.StripPrefix("/mailbox", handler))
	t.Cleanup(server.Close)
	return p, writeFile(t, server.URL+"/mailbox\n")
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMailbox_KeepsThePromisesOfEveryMailbox(t *testing.T) {
	for _, promise := range mailboxtest.Promises {
		t.Run(promise.Name, func(t *testing.T) {
			const hostID = mailboxtest.HostID
			p, endpoint := startPost(t)
			p.tokens[hostID] = "right"
			promise.Check(t, mailboxtest.Link{
				Mailbox: httpmailbox.NewClient(hostID, endpoint, writeFile(t, "right\n")),
				PutSpec: func(spec nodespec.Spec) { p.specs[hostID] = spec },
				Beat: func() (nodespec.Heartbeat, bool) {
					beat, ok := p.beats[hostID]
					return beat, ok
				},
				Break: func(broken bool) { p.broken = broken },
			})
		})
	}
}

func TestMailbox_RefusesWhoeverIsNotTheHost(t *testing.T) {
	for _, tt := range []struct {
		name, host, token string
		want              fault.Code
	}{
		{"a wrong token", "i-1", "wrong", fault.Invalid},
		{"no token", "i-1", "", fault.Invalid},
		{"an empty token for a host that has none yet", "i-none", "", fault.Invalid},
		{"no host", "", "right", fault.Invalid},
		{"a host that is not known any more", "i-2", "right", fault.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, endpoint := startPost(t)
			p.specs["i-1"] = nodespec.Spec{Generation: 1}
			client := httpmailbox.NewClient(tt.host, endpoint, writeFile(t, tt.token))
			if _, ok, err := client.Spec(t.Context(), 0); ok || !fault.Is(err, tt.want) {
				t.Errorf("Spec: ok=%v, code %q (%v); want %q", ok, fault.CodeOf(err), err, tt.want)
			}
			err := client.Beat(t.Context(), nodespec.Heartbeat{HostID: tt.host})
			if !fault.Is(err, tt.want) || len(p.beats) != 0 {
				t.Errorf("Beat: code %q (%v); want %q; taken: %v", fault.CodeOf(err), err, tt.want, p.beats)
			}
		})
	}
}

func TestMailbox_RefusesAHugeHeartbeat(t *testing.T) {
	p, endpoint := startPost(t)
	client := httpmailbox.NewClient("i-1", endpoint, writeFile(t, "right"))
	err := client.Beat(t.Context(), nodespec.Heartbeat{HostID: "i-1", Reason: strings.Repeat("x", 1<<20)})
	if !fault.Is(err, fault.Invalid) || len(p.beats) != 0 {
		t.Errorf("err = %v, taken: %d", err, len(p.beats))
	}
}

func TestClient_FindsAControlPlaneThatCameBackOnAnotherPort(t *testing.T) {
	_, old := startPost(t)
	client := httpmailbox.NewClient("i-1", old, writeFile(t, "right"))
	if _, _, err := client.Spec(t.Context(), 0); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(old, []byte("http://127.0.0.1:1/mailbox"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.Spec(t.Context(), 0); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("nobody listens: %v, want Unavailable", err)
	}

	p, next := startPost(t)
	p.specs["i-1"] = nodespec.Spec{Generation: 1}
	endpoint, err := os.ReadFile(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, endpoint, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := client.Spec(t.Context(), 0); !ok || err != nil {
		t.Errorf("ok=%v, err=%v", ok, err)
	}
}

func TestClient_DoesNotBelieveAnotherProgramThatTheHostIsUnknown(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := httpmailbox.NewClient("i-1", writeFile(t, server.URL), writeFile(t, "right"))
	if _, _, err := client.Spec(t.Context(), 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v, want Unavailable", err)
	}
}
