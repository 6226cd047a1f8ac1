package httpmailbox

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/nodespec"
)

// Handler is the control plane's side of the mailboxes of all hosts.
type Handler struct {
	// Tokens gives the token that a host has to show; NotFound for a host that is not, or no longer, known.
	Tokens interface {
		Token(ctx context.Context, hostID string) (string, error)
	}
	// Specs gives a host's spec when its generation is above the one given, and may wait for it as long as it sees fit.
	Specs interface {
		Spec(ctx context.Context, hostID string, above int64) (spec nodespec.Spec, ok bool, err error)
	}
	// Beats takes a host's heartbeat. The heartbeat names the same host.
	Beats interface {
		PutBeat(ctx context.Context, hostID string, beat nodespec.Heartbeat) error
	}
}

func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hostID := r.Header.Get(hostHeader)
	if err := h.authenticate(r, hostID); err != nil {
		refuse(w, err)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /spec":
		h.getSpec(w, r, hostID)
	case "PUT /beat":
		h.putBeat(w, r, hostID)
	default:
		http.Error(w, "a mailbox has GET /spec and PUT /beat", http.StatusMethodNotAllowed)
	}
}

// errToken is the same for a missing and for a wrong token.
var errToken = fault.New(fault.Invalid, "the token is not this host's")

func (h Handler) authenticate(r *http.Request, hostID string) error {
	shown, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if hostID == "" || !isBearer {
		return errToken
	}
	token, err := h.Tokens.Token(r.Context(), hostID)
	if err != nil {
		return err
	}
	// A host without a token must not be reachable with an empty one.
	if token == "" || subtle.ConstantTimeCompare([]byte(shown), []byte(token)) != 1 {
		return errToken
	}
	return nil
}

func (h Handler) getSpec(w http.ResponseWriter, r *http.Request, hostID string) {
	above, err := strconv.ParseInt(r.URL.Query().Get("above"), 10, 64)
	if err != nil {
		refuse(w, fault.New(fault.Invalid, "above has to be a generation number: %w", err))
		return
	}
	spec, ok, err := h.Specs.Spec(r.Context(), hostID, above)
	switch {
	case err != nil:
		refuse(w, err)
	case !ok:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		// The only failure left is a host that went away, and nobody is there to be told.
		_ = json.NewEncoder(w).Encode(spec)
	}
}

func (h Handler) putBeat(w http.ResponseWriter, r *http.Request, hostID string) {
	var beat nodespec.Heartbeat
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBeat)).Decode(&beat); err != nil {
		refuse(w, fault.New(fault.Invalid, "read heartbeat of %s: %w", hostID, err))
		return
	}
	if beat.HostID != hostID {
		refuse(w, fault.New(fault.Invalid, "host %s sent a heartbeat of %s", hostID, beat.HostID))
		return
	}
	if err := h.Beats.PutBeat(r.Context(), hostID, beat); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status(err))
	_ = json.NewEncoder(w).Encode(problem{Code: fault.CodeOf(err), Message: err.Error()})
}

func status(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errToken):
		return http.StatusUnauthorized
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	}
	switch fault.CodeOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict, fault.Unsafe:
		return http.StatusConflict
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
