package api

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestOperationIDs_SortByTime(t *testing.T) {
	at := time.Date(2026, 9, 20, 12, 0, 0, 0, time.UTC)
	before := ""
	for range 100 {
		id, err := newOperationID(at, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := uuid.Parse(id)
		if err != nil || parsed.Version() != 7 || parsed.Variant() != uuid.RFC4122 || id <= before {
			t.Fatalf("%s after %s: %v", id, before, err)
		}
		if sec, nsec := parsed.Time().UnixTime(); !time.Unix(sec, nsec).Equal(at) {
			t.Fatalf("%s is of %s, not of %s", id, time.Unix(sec, nsec), at)
		}
		before, at = id, at.Add(time.Millisecond)
	}
}

func TestKafkaIDs_NeverLookLikeAnOption(t *testing.T) {
	hyphen := bytes.Repeat([]byte{0xf8}, 16) // base64 of its first six bits is a hyphen
	id, err := newKafkaID(bytes.NewReader(append(hyphen, make([]byte, 16)...)))
	if err != nil || id != "AAAAAAAAAAAAAAAAAAAAAA" {
		t.Errorf("got %q, %v", id, err)
	}
	if _, err := newKafkaID(bytes.NewReader(nil)); err == nil {
		t.Error("made an id of nothing")
	}
}
