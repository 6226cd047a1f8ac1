// Package httpmailbox carries a host's mailbox over HTTP: the agent's side and the control plane's side.
//
// It is meant for one machine, on a loopback address:
//
//	GET /spec?above=N   the host's spec, once its generation is above N; 204 when there is none yet
//	PUT /beat           the host's heartbeat
//
// Every request names its host and proves it with that host's own token, so no host can read another's spec or speak for
// it. Errors travel with their code from package fault, so that NotFound still means "this host is not known".
package httpmailbox

import "github.com/millrace/millrace/shared/fault"

// hostHeader names the host that asks; the token in Authorization is checked against that host's.
const hostHeader = "Millrace-Host"

const (
	// maxBeat is far above any heartbeat: the largest part of one is a signing request of under a kilobyte.
	maxBeat = 256 << 10
	// maxSpec is far above any spec: its certificates and properties take some tens of kilobytes.
	maxSpec = 4 << 20
)

// problem is the body of every answer that is not a success.
type problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}
