package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/events"
	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// caller is who asks, once that is proven.
type caller struct {
	name string // access key id, or the ARN of an IAM identity
	role accesskey.Role
}

// may refuses a caller whose role is too small for an operation.
func (c caller) may(operation string, needed accesskey.Role) error {
	if c.role.Covers(needed) {
		return nil
	}
	return mskapi.Forbidden("%s takes the role %s; the access key %s has the role %s.", operation, needed, c.name, c.role)
}

// door proves who sent a request that came by it, and gives the request as the rest of the API knows it.
type door func(ctx context.Context, r mskapi.Request) (caller, mskapi.Request, error)

// signedDoor takes requests that are signed with an access key of ours.
func (a *API) signedDoor(ctx context.Context, r mskapi.Request) (caller, mskapi.Request, error) {
	look := &keyLookup{api: a}
	v := a.verifier
	v.Secrets = look
	if aasapi.Is(r) {
		v.Services = []string{aasapi.SigningName}
	}
	id, err := v.Verify(ctx, r)
	if err != nil {
		return caller{}, r, err
	}
	return caller{name: id, role: look.role}, r, nil
}

// IAMResource is the resource of API Gateway that lets in nobody but whom IAM allows execute-api:Invoke.
const IAMResource = "/iam/{proxy+}"

// iamDoor takes requests whose caller API Gateway itself has authorised. Who may call what is decided by IAM, by method and
// path (execute-api:Invoke on …/<stage>/<METHOD>/iam/<path>), so within these bounds a caller is an admin.
//
// Whether an event came by this door is told by its resource, which API Gateway sets and no caller can: a path /iam/… that
// came by another resource was authorised by nobody, and the identity in an event means something here only.
func iamDoor(e events.APIRequest) door {
	return func(_ context.Context, r mskapi.Request) (caller, mskapi.Request, error) {
		who := e.RequestContext.Identity.UserArn
		if who == "" {
			return caller{}, r, mskapi.Unauthorized("API Gateway has not authorised the request: %s is without IAM authorisation.", IAMResource)
		}
		path, ok := strings.CutPrefix(r.Path, "/iam/")
		if !ok {
			return caller{}, r, mskapi.BadRequest("", "%s is not an operation of this API.", r.Method+" "+r.Path)
		}
		if !isPlainlyWritten(path) {
			return caller{}, r, mskapi.BadRequest("", "In a path that IAM guards only ARNs are percent-encoded, and those as AWS's SDKs do it.")
		}
		r.Path = "/" + path
		return caller{name: who, role: accesskey.Admin}, r, nil
	}
}

// isPlainlyWritten tells whether a path means to us what it means to whoever wrote IAM's rules on it. Elsewhere /v1/%63lusters
// and /v1%2Fclusters are /v1/clusters as well; here they would pass by a rule that denies it. So a segment is plain, or it is
// one whole ARN in the one way that AWS's SDKs encode it.
func isPlainlyWritten(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if !strings.Contains(segment, "%") {
			continue
		}
		decoded, err := url.PathUnescape(segment)
		if err != nil || !mskapi.IsARN(decoded) || url.QueryEscape(decoded) != segment {
			return false
		}
	}
	return true
}

// keyLookup finds the secret of one request's key, and remembers the role that comes with it.
type keyLookup struct {
	api  *API
	role accesskey.Role
}

// Secret reads the record for every request, so that a key which was revoked a moment ago is not known any more.
func (l *keyLookup) Secret(ctx context.Context, id string) (secret string, found bool, err error) {
	a := l.api
	if a.RootKey != nil {
		secret, found, err := a.RootKey.Secret(ctx, id)
		if err != nil || found {
			l.role = accesskey.Admin
			return secret, found, err
		}
	}
	if !accesskey.IsID(id) {
		return "", false, nil
	}
	key, err := a.Records.AccessKey(ctx, id)
	if fault.Is(err, fault.NotFound) || err == nil && !key.HoldsAt(a.Now()) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	secret, err = a.secrets.unseal(ctx, key)
	l.role = key.Role
	return secret, err == nil, err
}

// Seal keeps secrets unreadable to whoever reads the table. What was sealed under a context is unsealed under the same one
// only.
type Seal interface {
	Seal(ctx context.Context, secret []byte, context map[string]string) (sealed []byte, err error)
	Unseal(ctx context.Context, sealed []byte, context map[string]string) (secret []byte, err error)
}

// sealContext binds a secret to its key and the key's role, so that whoever can write to the table, but not seal, can
// neither raise a role nor put a secret that they know in the place of another.
func sealContext(k accesskey.Key) map[string]string {
	return map[string]string{"millrace:access-key": k.ID, "millrace:role": string(k.Role)}
}

// errNoSeal: an API that seals nothing has issued no keys either.
var errNoSeal = errors.New("access keys cannot be sealed here")

// unsealed remembers the secrets of sealed bytes that were met before, because unsealing is a call of its own on AWS.
// What a key may do is not remembered.
type unsealed struct {
	seal Seal

	mu      sync.Mutex
	secrets map[string]string // by role, id and sealed bytes
}

// maxUnsealed bounds the memory; whoever has more keys in use pays with more calls.
const maxUnsealed = 1000

func (u *unsealed) unseal(ctx context.Context, k accesskey.Key) (string, error) {
	if u.seal == nil {
		return "", errNoSeal
	}
	sealed := fmt.Sprintf("%s %s %s", k.Role, k.ID, k.Sealed)
	u.mu.Lock()
	secret, known := u.secrets[sealed]
	u.mu.Unlock()
	if known {
		return secret, nil
	}
	opened, err := u.seal.Unseal(ctx, k.Sealed, sealContext(k))
	if fault.Is(err, fault.Invalid) { // nothing that the caller sent
		return "", fault.New(fault.Internal, "unseal access key %s: %w", k.ID, err)
	}
	if err != nil {
		return "", fmt.Errorf("unseal access key %s: %w", k.ID, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.secrets == nil || len(u.secrets) >= maxUnsealed {
		u.secrets = map[string]string{}
	}
	u.secrets[sealed] = string(opened)
	return string(opened), nil
}

// newAccessKey makes a key and gives its secret, which nobody can read again.
func (a *API) newAccessKey(
	ctx context.Context, role accesskey.Role, description string, now time.Time,
) (key accesskey.Key, secret string, err error) {
	if a.Seal == nil {
		return key, "", errNoSeal
	}
	key = accesskey.Key{Role: role, Description: description, CreatedAt: now, CreatedBy: callOf(ctx).caller.name}
	if key.ID, err = accesskey.NewID(a.Random); err != nil {
		return key, "", err
	}
	if secret, err = accesskey.NewSecret(a.Random); err != nil {
		return key, "", err
	}
	if key.Sealed, err = a.Seal.Seal(ctx, []byte(secret), sealContext(key)); err != nil {
		return key, "", fmt.Errorf("seal access key %s: %w", key.ID, err)
	}
	return key, secret, nil
}
