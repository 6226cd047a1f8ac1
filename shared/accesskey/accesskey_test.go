package accesskey_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/millrace/millrace/shared/accesskey"
)

func TestRole_CoversItselfAndThoseBelow(t *testing.T) {
	for _, tt := range []struct {
		role, needed accesskey.Role
		want         bool
	}{
		{accesskey.ReadOnly, accesskey.ReadOnly, true},
		{accesskey.ReadOnly, accesskey.Operator, false},
		{accesskey.ReadOnly, accesskey.Admin, false},
		{accesskey.Operator, accesskey.ReadOnly, true},
		{accesskey.Operator, accesskey.Operator, true},
		{accesskey.Operator, accesskey.Admin, false},
		{accesskey.Admin, accesskey.ReadOnly, true},
		{accesskey.Admin, accesskey.Operator, true},
		{accesskey.Admin, accesskey.Admin, true},
		{"", accesskey.ReadOnly, false},
		{"king", accesskey.ReadOnly, false},
		{accesskey.Admin, "", false},
		{"", "", false},
	} {
		if got := tt.role.Covers(tt.needed); got != tt.want {
			t.Errorf("%q covers %q: %t, want %t", tt.role, tt.needed, got, tt.want)
		}
	}
}

func TestKey_HoldsUntilItsEnd(t *testing.T) {
	now := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	later := now.Add(time.Second)
	for _, tt := range []struct {
		name   string
		endsAt *time.Time
		want   bool
	}{
		{"without an end", nil, true},
		{"before its end", &later, true},
		{"at its end", &now, false},
	} {
		if got := (accesskey.Key{EndsAt: tt.endsAt}).HoldsAt(now); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestNew_LooksLikeAKeyOfAWSAndIsNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id, err := accesskey.NewID(rand.Reader)
		if err != nil || len(id) != 20 || !accesskey.IsID(id) {
			t.Fatalf("id %q, %v", id, err)
		}
		secret, err := accesskey.NewSecret(rand.Reader)
		if err != nil || len(secret) != 40 {
			t.Fatalf("a secret of %d characters, %v", len(secret), err)
		}
		if seen[id] || seen[secret] {
			t.Fatalf("%s or its secret was there before", id)
		}
		seen[id], seen[secret] = true, true
	}
	broken := iotest.ErrReader(errors.New("no entropy"))
	if _, err := accesskey.NewID(broken); err == nil {
		t.Error("made an id of nothing")
	}
	if _, err := accesskey.NewSecret(broken); err == nil {
		t.Error("made a secret of nothing")
	}
}

func TestIsID_RefusesWhatIsNotOurs(t *testing.T) {
	for _, id := range []string{"", "AKIAIOSFODNN7EXAMPLE", "MILLRACE", "MILLRACEabcdefghijkl", "MILLRACEABCDEFGHIJKLM", "../MILLRACEABCDEFGHIJ"} {
		if accesskey.IsID(id) {
			t.Errorf("%q counts as one of ours", id)
		}
	}
}
