package local

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/millrace/millrace/shared/accesskey"
)

// Credentials are the one access key of a local control plane.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// EnsureCredentials reads the access key of a data directory, and makes one the first time.
func (l Layout) EnsureCredentials() (Credentials, error) {
	c, err := l.Credentials()
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	if c.AccessKeyID, err = accesskey.NewID(rand.Reader); err != nil {
		return c, err
	}
	if c.SecretAccessKey, err = accesskey.NewSecret(rand.Reader); err != nil {
		return c, err
	}
	content, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	return c, writeFile(l.credentials(), content)
}

// Credentials reads the access key of a data directory.
func (l Layout) Credentials() (Credentials, error) {
	var c Credentials
	content, err := os.ReadFile(l.credentials())
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return c, fmt.Errorf("read %s: %w", l.credentials(), err)
	}
	return c, nil
}

// Secret finds the secret of an access key.
func (c Credentials) Secret(_ context.Context, accessKeyID string) (secret string, found bool, err error) {
	return c.SecretAccessKey, accessKeyID == c.AccessKeyID, nil
}
