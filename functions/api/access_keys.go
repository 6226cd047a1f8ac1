package api

import (
	"context"
	"log/slog"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

const (
	// changeOver is how long a rotated key goes on, so that its clients can take the new one.
	changeOver = 24 * time.Hour
	// longestChangeOver bounds what a caller may ask for: a key that never ends has not been rotated.
	longestChangeOver = 30 * 24 * time.Hour

	maxKeyDescription = 256
)

// accessKeyView is an access key without its secret.
type accessKeyView struct {
	AccessKeyId string
	Role        accesskey.Role
	Description string
	CreatedAt   time.Time
	CreatedBy   string
	EndsAt      *time.Time // of a key that was rotated
	ReplacedBy  string
}

type accessKeysView struct{ Keys []accessKeyView }

// issuedView is the only answer that ever holds a secret.
type issuedView struct {
	AccessKeyId     string
	SecretAccessKey string
	Role            accesskey.Role
	Description     string
	CreatedAt       time.Time
	CreatedBy       string
	Replaces        *accessKeyView // by a rotation
}

type issueKeyInput struct {
	Role        accesskey.Role
	Description string
}

// issueKey makes a new access key.
func (a *API) issueKey(ctx context.Context, _ string, in issueKeyInput) (any, error) {
	if !in.Role.Valid() {
		return nil, mskapi.BadRequest("role", "A role is one of %v, not %q.", accesskey.Roles(), in.Role)
	}
	if err := oneLineIsValid("description", in.Description, maxKeyDescription); err != nil {
		return nil, err
	}
	a.forgetEndedKeys(ctx)
	key, secret, err := a.newAccessKey(ctx, in.Role, in.Description, a.now())
	if err != nil {
		return nil, err
	}
	if err := a.Records.AddAccessKey(ctx, key); err != nil {
		return nil, err
	}
	slog.InfoContext(ctx, "issued an access key", "key", key.ID, "role", key.Role, "by", key.CreatedBy)
	return issued(key, secret), nil
}

// viewKeys lists the keys that hold.
func (a *API) viewKeys(ctx context.Context, _ string) (any, error) {
	keys, err := a.Records.AccessKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	keys = slices.DeleteFunc(keys, func(k accesskey.Key) bool { return !k.HoldsAt(now) })
	slices.SortFunc(keys, func(k, l accesskey.Key) int { return k.CreatedAt.Compare(l.CreatedAt) })
	views, err := convert(keys, func(k accesskey.Key) (accessKeyView, error) { return viewKey(k), nil })
	return accessKeysView{views}, err
}

// revokeKey removes a key. The next request that is signed with it is refused.
func (a *API) revokeKey(ctx context.Context, id string) (any, error) {
	key, err := a.heldKey(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := a.Records.RemoveAccessKey(ctx, id); err != nil {
		return nil, err
	}
	slog.InfoContext(ctx, "revoked an access key", "key", id, "role", key.Role, "by", callOf(ctx).caller.name)
	return viewKey(key), nil
}

type rotateKeyInput struct {
	// EndAfterSeconds is how long the old key goes on: a day when it is left out, no time at all when it is 0.
	EndAfterSeconds *int64
}

// rotateKey makes a key that may do the same as another, which ends a while later.
func (a *API) rotateKey(ctx context.Context, id string, in rotateKeyInput) (any, error) {
	goesOn := changeOver
	if s := in.EndAfterSeconds; s != nil {
		if most := int64(longestChangeOver / time.Second); *s < 0 || *s > most {
			return nil, mskapi.BadRequest("endAfterSeconds", "A rotated key goes on for 0 to %d seconds, not %d.", most, *s)
		}
		goesOn = time.Duration(*s) * time.Second
	}
	key, err := a.heldKey(ctx, id)
	if err != nil {
		return nil, err
	}
	now := a.now()
	next, secret, err := a.newAccessKey(ctx, key.Role, key.Description, now)
	if err != nil {
		return nil, err
	}
	a.forgetEndedKeys(ctx)
	old, next, err := a.Records.ReplaceAccessKey(ctx, id, func(old *accesskey.Key) (accesskey.Key, error) {
		if old.ReplacedBy != "" {
			return next, mskapi.BadRequest("", "The access key %s was rotated already and ends at %s. %s took its place: "+
				"rotate that one, or revoke either.", id, old.EndsAt.Format(time.RFC3339), old.ReplacedBy)
		}
		endsAt := now.Add(goesOn)
		old.EndsAt, old.ReplacedBy = &endsAt, next.ID
		return next, nil
	})
	if fault.Is(err, fault.NotFound) {
		return nil, noSuchKey(id)
	}
	if err != nil {
		return nil, err
	}
	slog.InfoContext(ctx, "rotated an access key", "key", id, "next", next.ID, "role", next.Role, "ends", old.EndsAt, "by", next.CreatedBy)
	view, replaced := issued(next, secret), viewKey(old)
	view.Replaces = &replaced
	return view, nil
}

// heldKey gives a key that holds. One that has ended is gone for everybody.
func (a *API) heldKey(ctx context.Context, id string) (accesskey.Key, error) {
	if !accesskey.IsID(id) {
		return accesskey.Key{}, noSuchKey(id)
	}
	key, err := a.Records.AccessKey(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && !key.HoldsAt(a.Now()) {
		return key, noSuchKey(id)
	}
	return key, err
}

// forgetEndedKeys tidies up. It is no part of what was asked for, so it only says when it cannot.
func (a *API) forgetEndedKeys(ctx context.Context) {
	keys, err := a.Records.AccessKeys(ctx)
	for _, k := range keys {
		if err == nil && !k.HoldsAt(a.Now()) {
			err = a.Records.RemoveAccessKey(ctx, k.ID)
		}
	}
	if err != nil {
		slog.WarnContext(ctx, "left access keys that have ended", "error", err)
	}
}

func noSuchKey(id string) error {
	return mskapi.NotFound("", "There is no access key %s that was issued here.", id)
}

// oneLineIsValid refuses text that a person's terminal should not be shown.
func oneLineIsValid(member, text string, most int) error {
	if n := utf8.RuneCountInString(text); n > most {
		return mskapi.BadRequest(member, "A %s has at most %d characters, not %d.", member, most, n)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return mskapi.BadRequest(member, "A %s is one line of printable text.", member)
		}
	}
	return nil
}

func viewKey(k accesskey.Key) accessKeyView {
	return accessKeyView{
		AccessKeyId: k.ID, Role: k.Role, Description: k.Description,
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
		EndsAt: k.EndsAt, ReplacedBy: k.ReplacedBy,
	}
}

func issued(k accesskey.Key, secret string) issuedView {
	return issuedView{
		AccessKeyId: k.ID, SecretAccessKey: secret, Role: k.Role, Description: k.Description,
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
	}
}
