package provisioning

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/records"
)

// RenewKafkaAccess sees to it that the functions that talk to Kafka can: they run where no secret store can be reached, so
// what they show to brokers lies in the records, and does not live long.
type RenewKafkaAccess struct {
	Records interface {
		Cluster(ctx context.Context, id string) (cluster.Cluster, error)
		KafkaAccess(ctx context.Context, clusterID string) (records.KafkaAccess, error)
		PutKafkaAccess(ctx context.Context, clusterID string, a records.KafkaAccess) error
	}
	Secrets secrets
	Now     func() time.Time
}

// RenewKafkaAccessInput names the cluster.
type RenewKafkaAccessInput struct {
	ClusterID string `json:"clusterId"`
}

// Run leaves an access alone that is good for long enough.
func (s RenewKafkaAccess) Run(ctx context.Context, in RenewKafkaAccessInput) (Empty, error) {
	c, err := s.Records.Cluster(ctx, in.ClusterID)
	if err != nil {
		return Empty{}, fmt.Errorf("load cluster: %w", err)
	}
	last, err := s.Records.KafkaAccess(ctx, c.ID)
	switch {
	case err == nil && !last.EndsSoon(s.Now()):
		return Empty{}, nil
	case err != nil && !fault.Is(err, fault.NotFound):
		return Empty{}, err
	}
	access, err := s.access(ctx, c)
	if err != nil {
		return Empty{}, err
	}
	if err := s.Records.PutKafkaAccess(ctx, c.ID, access); err != nil {
		return Empty{}, err
	}
	slog.InfoContext(ctx, "renewed the access to Kafka", "cluster", c.ID, "ends", access.Ends)
	return Empty{}, nil
}

func (s RenewKafkaAccess) access(ctx context.Context, c cluster.Cluster) (records.KafkaAccess, error) {
	password, err := passwordOf(ctx, s.Secrets, c)
	if err != nil {
		return records.KafkaAccess{}, err
	}
	if needsPassword(c) {
		return records.KafkaAccess{User: brokerconfig.InternalUser, Password: password}, nil
	}
	signer, err := signerOf(ctx, s.Secrets, c)
	if err != nil {
		return records.KafkaAccess{}, err
	}
	now := s.Now()
	chain, key, err := signer.Issue(authority.Subject{CommonName: brokerconfig.InternalUser}, records.AccessLife, now)
	if err != nil {
		return records.KafkaAccess{}, fmt.Errorf("issue a certificate of %s: %w", c.ID, err)
	}
	return records.KafkaAccess{Certificate: chain, Key: key, Ends: now.Add(records.AccessLife)}, nil
}
