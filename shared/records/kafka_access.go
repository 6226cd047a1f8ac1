package records

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const kafkaAccesses = "kafka-access" // by cluster id

func kafkaAccessKey(clusterID string) Key { return Key{kafkaAccesses, clusterID} }

// KafkaAccess is what the control plane proves to a cluster's brokers who it is by: a certificate with its private key, which
// is here and nowhere else, or a password. It shows nothing of them when it is printed.
type KafkaAccess struct {
	// Certificate is the chain, Key its private key (both PEM); Ends is when it stops being valid.
	Certificate string    `json:"certificate,omitempty"`
	Key         string    `json:"key,omitempty"`
	Ends        time.Time `json:"ends,omitzero"`

	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// AccessLife is how long a certificate of the control plane lives. It is renewed when half of that is left: no operation lasts as long.
const AccessLife = 24 * time.Hour

// EndsSoon tells whether it is time to renew the access.
func (a KafkaAccess) EndsSoon(now time.Time) bool {
	return !a.Ends.IsZero() && !now.Add(AccessLife/2).Before(a.Ends)
}

// String says how long the access is good, and nothing that is secret.
func (a KafkaAccess) String() string {
	if a.Ends.IsZero() {
		return "access to Kafka"
	}
	return "access to Kafka until " + a.Ends.UTC().Format(time.RFC3339)
}

// GoString keeps secrets out of %#v too.
func (a KafkaAccess) GoString() string { return a.String() }

// LogValue keeps secrets out of logs.
func (a KafkaAccess) LogValue() slog.Value { return slog.StringValue(a.String()) }

// KafkaAccess gives how the control plane reaches the brokers of a cluster, or a NotFound error.
func (r Records) KafkaAccess(ctx context.Context, clusterID string) (KafkaAccess, error) {
	a, _, err := get[KafkaAccess](ctx, r.Table, kafkaAccessKey(clusterID))
	if err != nil {
		return a, fmt.Errorf("access to the brokers of cluster %s: %w", clusterID, err)
	}
	return a, nil
}

// PutKafkaAccess records how the control plane reaches the brokers of a cluster from now on.
func (r Records) PutKafkaAccess(ctx context.Context, clusterID string, a KafkaAccess) error {
	w, err := put(kafkaAccessKey(clusterID), a, Always())
	if err != nil {
		return err
	}
	if err := r.Table.Write(ctx, w); err != nil {
		return fmt.Errorf("record the access to the brokers of cluster %s: %w", clusterID, err)
	}
	return nil
}
