package local

import (
	"context"
	"fmt"
	"net/http"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
	"github.com/millrace/millrace/shared/nodespec/httpmailbox"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serve"
)

// MailboxPath is where hosts find their mailboxes at the front door.
const MailboxPath = "/millrace/mailbox"

// NewMailbox is the control plane's side of the mailboxes of all hosts. The bus hears of every heartbeat.
func NewMailbox(r records.Records, hosts *Hosts, bus *Bus) http.Handler {
	return http.StripPrefix(MailboxPath, httpmailbox.Handler{Tokens: hosts, Specs: waitingSpecs{r}, Beats: toldBeats{r, bus}})
}

// toldBeats records a heartbeat before it tells of it: whoever is woken looks at the records.
type toldBeats struct {
	records records.Records
	bus     *Bus
}

func (b toldBeats) PutBeat(ctx context.Context, hostID string, beat nodespec.Heartbeat) error {
	if err := b.records.PutBeat(ctx, hostID, beat); err != nil {
		return err
	}
	b.bus.Heard(ctx, beat)
	return nil
}

// WriteMailboxEndpoint tells all hosts where the mailbox is, from now on.
func (l Layout) WriteMailboxEndpoint(address string) error {
	return writeFile(l.mailbox(), fmt.Appendf(nil, "http://%s%s\n", address, MailboxPath))
}

// waitingSpecs lets a host wait for its next spec.
type waitingSpecs struct{ records records.Records }

func (s waitingSpecs) Spec(ctx context.Context, hostID string, above int64) (nodespec.Spec, bool, error) {
	changed, stop := s.records.WatchSpec(hostID)
	defer stop()
	var spec nodespec.Spec
	var found bool
	err := serve.Until(ctx, changed, func(ctx context.Context) (bool, error) {
		var err error
		spec, err = s.records.Spec(ctx, hostID)
		if fault.Is(err, fault.NotFound) {
			return false, nil // none yet
		}
		found = err == nil && spec.Generation > above
		return found, err
	})
	return spec, found, err
}
