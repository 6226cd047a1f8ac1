package platformtest

import (
	"bytes"
	"context"
	"testing"
)

// Seal seals small values for those who keep them in a table.
type Seal interface {
	Seal(ctx context.Context, plaintext []byte, context map[string]string) (sealed []byte, err error)
	Unseal(ctx context.Context, sealed []byte, context map[string]string) (plaintext []byte, err error)
}

// SealSuite checks what every adapter of seals promises. open gives a seal with a key of its own.
func SealSuite(t *testing.T, open func(t *testing.T) Seal) {
	for name, check := range map[string]func(*testing.T, func(*testing.T) Seal){
		"what is sealed can be unsealed under its context": unsealsUnderItsContext,
		"what is sealed can't be read":                     sealedIsOpaque,
		"another context is refused":                       otherContextsAreRefused,
		"a changed byte is refused":                        changedBytesAreRefused,
		"another seal is refused":                          otherSealsAreRefused,
		"what is empty or too long is refused":             sizesOfSealsAreBounded,
	} {
		t.Run(name, func(t *testing.T) { check(t, open) })
	}
}

var (
	sealedSecret  = []byte("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	sealedContext = map[string]string{"millrace:deployment": "test", "millrace:accessKey": "AKIDEXAMPLE"}
)

func seal(t *testing.T, s Seal, plaintext []byte, context map[string]string) []byte {
	t.Helper()
	sealed, err := s.Seal(t.Context(), plaintext, context)
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	return sealed
}

func unsealsUnderItsContext(t *testing.T, open func(t *testing.T) Seal) {
	s := open(t)
	for name, context := range map[string]map[string]string{"two names": sealedContext, "no context": nil} {
		for _, plaintext := range [][]byte{sealedSecret, {0}, bytes.Repeat([]byte{0xff, 0}, 2048)} {
			got, err := s.Unseal(t.Context(), seal(t, s, plaintext, context), context)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s: %d bytes became %d, %v", name, len(plaintext), len(got), err)
			}
		}
	}
}

func sealedIsOpaque(t *testing.T, open func(t *testing.T) Seal) {
	s := open(t)
	first, second := seal(t, s, sealedSecret, sealedContext), seal(t, s, sealedSecret, sealedContext)
	if bytes.Contains(first, sealedSecret) || bytes.Equal(first, second) {
		t.Errorf("sealed: %q, again: %q", first, second)
	}
}

func otherContextsAreRefused(t *testing.T, open func(t *testing.T) Seal) {
	s := open(t)
	sealed := seal(t, s, sealedSecret, sealedContext)
	for name, context := range map[string]map[string]string{
		"none":          nil,
		"another value": {"millrace:deployment": "test", "millrace:accessKey": "AKIDOTHER"},
		"a name less":   {"millrace:deployment": "test"},
		"a name more":   {"millrace:deployment": "test", "millrace:accessKey": "AKIDEXAMPLE", "more": "x"},
	} {
		_, err := s.Unseal(t.Context(), sealed, context)
		wantInvalid(t, name, err)
	}
}

func changedBytesAreRefused(t *testing.T, open func(t *testing.T) Seal) {
	s := open(t)
	sealed := seal(t, s, sealedSecret, sealedContext)
	for _, changed := range [][]byte{
		append(bytes.Clone(sealed[:len(sealed)-1]), sealed[len(sealed)-1]^1),
		append([]byte{sealed[0] ^ 1}, sealed[1:]...),
		sealed[:len(sealed)-1], sealed[:1], nil,
	} {
		_, err := s.Unseal(t.Context(), changed, sealedContext)
		wantInvalid(t, "unseal what was changed", err)
	}
}

func otherSealsAreRefused(t *testing.T, open func(t *testing.T) Seal) {
	_, err := open(t).Unseal(t.Context(), seal(t, open(t), sealedSecret, sealedContext), sealedContext)
	wantInvalid(t, "unseal what another seal has sealed", err)
}

func sizesOfSealsAreBounded(t *testing.T, open func(t *testing.T) Seal) {
	s := open(t)
	for _, plaintext := range [][]byte{nil, make([]byte, 4097)} {
		_, err := s.Seal(t.Context(), plaintext, sealedContext)
		wantInvalid(t, "seal", err)
	}
}
