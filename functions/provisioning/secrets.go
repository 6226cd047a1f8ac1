package provisioning

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/shared/authority"
	"github.com/millrace/millrace/shared/cluster"
)

// secrets are read by the steps that need what is kept of a cluster.
type secrets interface {
	Secret(ctx context.Context, name string) (string, error)
}

// signerOf gives the authority of a cluster, with its private key.
func signerOf(ctx context.Context, s secrets, c cluster.Cluster) (authority.Authority, error) {
	pair, err := s.Secret(ctx, authorityName(c.ID))
	if err != nil {
		return authority.Authority{}, fmt.Errorf("read the authority of %s: %w", c.ID, err)
	}
	return authority.Load(pair)
}

// passwordOf gives what the nodes of a cluster know each other by; empty where they do by their certificates.
func passwordOf(ctx context.Context, s secrets, c cluster.Cluster) (string, error) {
	if !needsPassword(c) {
		return "", nil
	}
	password, err := s.Secret(ctx, passwordName(c.ID))
	if err != nil {
		return "", fmt.Errorf("read the internal password of %s: %w", c.ID, err)
	}
	return password, nil
}

// needsPassword tells whether a cluster's nodes know each other by a password. Those with encryption among themselves know
// each other by their certificates, and a secret costs $0.40 a month.
func needsPassword(c cluster.Cluster) bool { return !c.Spec.InCluster }

// Secrets are what the secrets of a cluster are called. Their names begin with the cluster's id, which is how they are found
// again to be removed.
func Secrets() []string { return []string{authoritySecret, passwordSecret} }

const (
	authoritySecret = "authority"
	passwordSecret  = "internal-password"
)

func authorityName(clusterID string) string { return clusterID + "/" + authoritySecret }
func passwordName(clusterID string) string  { return clusterID + "/" + passwordSecret }
