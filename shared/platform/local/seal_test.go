package local_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/shared/platform/local"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

func TestSeal_Conforms(t *testing.T) {
	platformtest.SealSuite(t, func(t *testing.T) platformtest.Seal { return openSeal(t, t.TempDir()) })
}

func TestSeal_HasOneKeyForTheLifeOfADataDirectory(t *testing.T) {
	dir := t.TempDir()
	sealed, err := openSeal(t, dir).Seal(t.Context(), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plaintext, err := openSeal(t, dir).Unseal(t.Context(), sealed, nil); err != nil || string(plaintext) != "secret" {
		t.Errorf("after a restart: %q, %v", plaintext, err)
	}
	key := filepath.Join(dir, "seal.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (local.Layout{Dir: dir}).EnsureSeal(); err == nil {
		t.Error("a key of 5 bytes is taken")
	}
}

func openSeal(t *testing.T, dir string) local.Seal {
	t.Helper()
	seal, err := local.Layout{Dir: dir}.EnsureSeal()
	if err != nil {
		t.Fatal(err)
	}
	return seal
}
