package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// Secrets are files that only this user can read. The name of a secret is its path.
type Secrets struct {
	Layout Layout
}

// PutSecret keeps a secret, unless one of that name is there, and gives the one that is kept.
func (s Secrets) PutSecret(ctx context.Context, name, value string) (kept string, err error) {
	path := s.Layout.secret(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keep secret %s: %w", name, err)
	}
	temporary := path + "." + rand.Text() // several may put one name at once
	if err := writeFile(temporary, []byte(value)); err != nil {
		return "", fmt.Errorf("keep secret %s: %w", name, err)
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keep secret %s: %w", name, err)
	}
	return s.Secret(ctx, name)
}

// Secret gives a secret, or a NotFound error.
func (s Secrets) Secret(_ context.Context, name string) (string, error) {
	value, err := os.ReadFile(s.Layout.secret(name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.NotFound, "there is no secret %s", name)
	}
	return string(value), err
}

// DeleteSecrets removes every secret whose name begins with the prefix, which ends with a slash.
func (s Secrets) DeleteSecrets(_ context.Context, prefix string) error {
	name, ok := strings.CutSuffix(prefix, "/")
	if !ok || name == "." || !filepath.IsLocal(name) || filepath.Clean(name) != name {
		return fault.New(fault.Invalid, "secrets are removed by a prefix that ends with a slash, not by %q", prefix)
	}
	return os.RemoveAll(s.Layout.secret(prefix))
}
