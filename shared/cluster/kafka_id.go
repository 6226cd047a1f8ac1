package cluster

import (
	"encoding/base64"
	"fmt"
	"io"
)

// NewKafkaID makes an id as Kafka makes them, for a cluster or a log directory: 16 random bytes in unpadded URL base64. It
// never begins with a hyphen, which Kafka's tools would take for an option.
func NewKafkaID(random io.Reader) (string, error) {
	for {
		var id [16]byte
		if _, err := io.ReadFull(random, id[:]); err != nil {
			return "", fmt.Errorf("make a Kafka id: %w", err)
		}
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text, nil
		}
	}
}
