package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/millrace/millrace/shared/fault"
)

// Seal encrypts small values with the data directory's key, as KMS does on AWS: AES-256 in Galois counter mode, a random
// nonce before what it seals.
type Seal struct {
	sealer cipher.AEAD
}

const (
	sealKeyBytes = 32
	maxSealed    = 4096 // as in KMS
)

// EnsureSeal reads the key of a data directory, which only this user can, and makes one the first time.
func (l Layout) EnsureSeal() (Seal, error) {
	key, err := os.ReadFile(l.sealKey())
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, sealKeyBytes)
		_, _ = rand.Read(key) // it never fails
		err = writeFile(l.sealKey(), key)
	}
	if err != nil {
		return Seal{}, err
	}
	if len(key) != sealKeyBytes {
		return Seal{}, fmt.Errorf("%s holds %d bytes, not the %d of a key", l.sealKey(), len(key), sealKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Seal{}, err
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	return Seal{sealer}, err
}

// Seal encrypts a value of 1 to 4,096 bytes. Only who names the same context can unseal it.
func (s Seal) Seal(_ context.Context, plaintext []byte, context map[string]string) (sealed []byte, err error) {
	if len(plaintext) == 0 || len(plaintext) > maxSealed {
		return nil, fault.New(fault.Invalid, "a value of %d bytes can't be sealed; 1 to %d are possible", len(plaintext), maxSealed)
	}
	bound, err := boundTo(context)
	if err != nil {
		return nil, err
	}
	return s.sealer.Seal(nil, nil, plaintext, bound), nil
}

// Unseal gives a sealed value back. It returns Invalid for what was not sealed by this key under this context.
func (s Seal) Unseal(_ context.Context, sealed []byte, context map[string]string) (plaintext []byte, err error) {
	bound, err := boundTo(context)
	if err != nil {
		return nil, err
	}
	plaintext, err = s.sealer.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, fault.New(fault.Invalid, "not sealed by this key under this context, or changed since: %w", err)
	}
	return plaintext, nil
}

// boundTo is the one text of a context: JSON sorts its names.
func boundTo(context map[string]string) ([]byte, error) {
	if len(context) == 0 {
		return nil, nil
	}
	return json.Marshal(context)
}
