// Package accesskey holds the access keys that Millrace issues to its callers, and the rules of them: what their roles may
// do, what they look like and until when they hold. It knows nothing of signatures, nor of how secrets are kept.
package accesskey

import (
	"encoding/base32"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// Role is what a caller may do.
type Role string

const (
	// ReadOnly looks, and changes nothing.
	ReadOnly Role = "read-only"
	// Operator may do all that is not an Admin's.
	Operator Role = "operator"
	// Admin may also delete clusters and configurations, and look after access keys.
	Admin Role = "admin"
)

// Roles lists the roles; each may do what those before it may.
func Roles() []Role { return []Role{ReadOnly, Operator, Admin} }

// Valid tells whether there is such a role.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Covers tells whether a caller of this role may do what takes the other. What is no role covers nothing and is covered by
// none.
func (r Role) Covers(needed Role) bool {
	return r.Valid() && needed.Valid() && slices.Index(Roles(), r) >= slices.Index(Roles(), needed)
}

// Key is an access key as it is recorded. Its secret is only ever kept sealed.
type Key struct {
	ID          string    `json:"id"`
	Role        Role      `json:"role"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	// CreatedBy is who asked for it: an access key id, or the ARN of an IAM identity.
	CreatedBy string `json:"createdBy"`
	Sealed    []byte `json:"sealed"`

	// EndsAt is set once another key has taken its place, so that clients can change over until then.
	EndsAt     *time.Time `json:"endsAt,omitempty"`
	ReplacedBy string     `json:"replacedBy,omitempty"`
}

// HoldsAt tells whether the key is good at a time.
func (k Key) HoldsAt(now time.Time) bool { return k.EndsAt == nil || now.Before(*k.EndsAt) }

const idPrefix = "MILLRACE"

var idPattern = regexp.MustCompile("^" + idPrefix + "[A-Z2-7]{12}$")

// IsID tells whether a text can be the id of a key of ours. Whoever asks for any other need not be looked up.
func IsID(text string) bool { return idPattern.MatchString(text) }

// NewID makes the id of a key: 20 characters, as AWS's have.
func NewID(random io.Reader) (string, error) {
	text, err := randomText(random, 12)
	return idPrefix + text, err
}

// NewSecret makes the secret of a key: 40 characters, as AWS's have, of 200 random bits.
func NewSecret(random io.Reader) (string, error) { return randomText(random, 40) }

// randomText gives letters and digits only: nothing that a shell or a URL would read as something else.
func randomText(random io.Reader, length int) (string, error) {
	bits := make([]byte, (length*5+7)/8)
	if _, err := io.ReadFull(random, bits); err != nil {
		return "", fmt.Errorf("make an access key: %w", err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits)[:length], nil
}
