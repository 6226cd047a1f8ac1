package cluster_test

import (
	"bytes"
	"testing"

	"github.com/millrace/millrace/shared/cluster"
)

func TestNewKafkaID_NeverLooksLikeAnOption(t *testing.T) {
	hyphen := bytes.Repeat([]byte{0xf8}, 16) // base64 of its first six bits is a hyphen
	id, err := cluster.NewKafkaID(bytes.NewReader(append(hyphen, make([]byte, 16)...)))
	if err != nil || id != "AAAAAAAAAAAAAAAAAAAAAA" {
		t.Errorf("got %q, %v", id, err)
	}
	if _, err := cluster.NewKafkaID(bytes.NewReader(nil)); err == nil {
		t.Error("made an id of nothing")
	}
}
