package platformtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace/shared/fault"
)

// SecretsSuite checks what every adapter of secrets promises. open gives a platform without secrets.
func SecretsSuite(t *testing.T, open func(t *testing.T) Platform) {
	suite(t, open, map[string]func(*testing.T, Platform){
		"the first value of a secret is kept":            firstSecretsAreKept,
		"of many values at once one is kept":             oneSecretOfMany,
		"secrets are deleted by prefix":                  secretsAreDeletedByPrefix,
		"a prefix that would delete too much is Invalid": widePrefixesAreRefused,
	})
}

func firstSecretsAreKept(t *testing.T, p Platform) {
	_, err := p.Secret(t.Context(), "cluster-1/authority")
	wantCode(t, "a secret that is not there", err, fault.NotFound)
	for _, value := range []string{"first\nwith lines\n", "second"} {
		kept, err := p.PutSecret(t.Context(), "cluster-1/authority", value)
		if err != nil || kept != "first\nwith lines\n" {
			t.Errorf("put %q: kept %q, %v", value, kept, err)
		}
	}
	if value, err := p.Secret(t.Context(), "cluster-1/authority"); err != nil || value != "first\nwith lines\n" {
		t.Errorf("%q, %v", value, err)
	}
}

func oneSecretOfMany(t *testing.T, p Platform) {
	kept := make([]string, 16)
	var puts sync.WaitGroup
	for i := range kept {
		puts.Go(func() {
			var err error
			if kept[i], err = p.PutSecret(t.Context(), "cluster-1/password", fmt.Sprintf("value %d", i)); err != nil {
				t.Errorf("put: %v", err)
			}
		})
	}
	puts.Wait()
	for _, value := range kept {
		if value != kept[0] {
			t.Errorf("kept %q and %q", kept[0], value)
		}
	}
}

func secretsAreDeletedByPrefix(t *testing.T, p Platform) {
	for _, name := range []string{"cluster-1/authority", "cluster-1/password", "cluster-10/authority"} {
		if _, err := p.PutSecret(t.Context(), name, "value of "+name); err != nil {
			t.Fatalf("put %s: %v", name, err)
		}
	}
	wantCode(t, "delete", p.DeleteSecrets(t.Context(), "cluster-1/"), "")
	wantCode(t, "delete again", p.DeleteSecrets(t.Context(), "cluster-1/"), "")
	for name, want := range map[string]fault.Code{
		"cluster-1/authority": fault.NotFound, "cluster-1/password": fault.NotFound, "cluster-10/authority": "",
	} {
		_, err := p.Secret(t.Context(), name)
		wantCode(t, name, err, want)
	}
	if kept, err := p.PutSecret(t.Context(), "cluster-1/authority", "new"); err != nil || kept != "new" {
		t.Errorf("a new secret under an old name: %q, %v", kept, err)
	}
}

func widePrefixesAreRefused(t *testing.T, p Platform) {
	if _, err := p.PutSecret(t.Context(), "cluster-1/authority", "value"); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "/", "cluster-1", "./", "cluster-2/../cluster-1/", "../secrets/"} {
		wantInvalid(t, fmt.Sprintf("delete %q", prefix), p.DeleteSecrets(t.Context(), prefix))
	}
	if _, err := p.Secret(t.Context(), "cluster-1/authority"); err != nil {
		t.Errorf("the secret is gone: %v", err)
	}
}
