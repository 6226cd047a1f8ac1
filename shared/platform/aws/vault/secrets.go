// Package vault keeps secrets in Secrets Manager, and seals small values with KMS for those who keep them themselves. It makes
// no KMS keys, and knows neither what is secret nor whose: the deployment and the callers do.
package vault

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/millrace/millrace/shared/fault"
	platform "github.com/millrace/millrace/shared/platform/aws"
)

// Secrets are the secrets of a deployment. A secret "<cluster id>/<name>" is called "<deployment>/<cluster id>/<name>" in
// Secrets Manager.
type Secrets struct {
	client *secretsmanager.Client
	config SecretsConfig
}

// SecretsConfig says where secrets are kept.
type SecretsConfig struct {
	Deployment string
	// Key is the ARN of the KMS key that encrypts them; Secrets Manager's own where it is empty.
	Key string
	// Names are what a cluster's secrets are called; there can't be others. They are deleted by name: Secrets Manager's list
	// may be minutes behind, and a secret that it does not show yet would stay, and cost, for ever.
	Names []string
}

// NewSecrets gives the secrets of a deployment.
func NewSecrets(config aws.Config, c SecretsConfig) Secrets {
	return Secrets{client: secretsmanager.NewFromConfig(config), config: c}
}

func (s Secrets) id(name string) *string { return aws.String(s.config.Deployment + "/" + name) }

const (
	// Within freesWithin the name of a deleted secret can be used again, and a secret that was just made can be read.
	freesWithin = 15 * time.Second
	lookEvery   = 500 * time.Millisecond
)

// PutSecret keeps a secret, unless one of that name is there, and gives the one that is kept. A name whose secret is being
// deleted is waited for; it is Unavailable when that takes long.
func (s Secrets) PutSecret(ctx context.Context, name, value string) (kept string, err error) {
	if !slices.Contains(s.config.Names, path.Base(name)) {
		return "", fault.New(fault.Invalid, "secret %s would not be found to be deleted: known are %v", name, s.config.Names)
	}
	late := time.Now().Add(freesWithin)
	for {
		kept, again, err := s.tryPut(ctx, name, value)
		if !again {
			return kept, err
		}
		if time.Now().After(late) {
			return "", fault.New(fault.Unavailable,
				"secret %s can't be made yet; where it waits for its deletion, restore it or delete it without recovery: %w", *s.id(name), err)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return "", fault.New(fault.Unavailable, "keep secret %s: %w", *s.id(name), errors.Join(ctx.Err(), err))
		}
	}
}

// tryPut makes a secret or reads the one that is there. again says that Secrets Manager is between two answers: a deleted
// secret still has its name, or another caller's new one can't be read yet.
func (s Secrets) tryPut(ctx context.Context, name, value string) (kept string, again bool, err error) {
	in := &secretsmanager.CreateSecretInput{
		Name: s.id(name), SecretString: &value,
		Description: aws.String("Kept by Millrace; deleted with its cluster."),
		Tags:        s.tags(name),
	}
	if s.config.Key != "" {
		in.KmsKeyId = &s.config.Key
	}
	_, err = s.client.CreateSecret(ctx, in) // the SDK sends a token, by which one whose answer was lost is no second one
	switch platform.Code(err) {
	case exists:
		kept, err = s.Secret(ctx, name)
		return kept, fault.Is(err, fault.NotFound), err
	case beingDeleted:
		return "", true, err
	}
	if err != nil {
		return "", false, secretCodes.Fault(err)
	}
	return value, false, nil
}

// tags say whose a secret is, as on all that Millrace makes.
func (s Secrets) tags(name string) []types.Tag {
	cluster, _, _ := strings.Cut(name, "/")
	return []types.Tag{
		{Key: aws.String(platform.DeploymentTag), Value: &s.config.Deployment},
		{Key: aws.String(platform.ClusterTag), Value: &cluster},
	}
}

// Secret gives a secret, or a NotFound error: also for one that is being deleted.
func (s Secrets) Secret(ctx context.Context, name string) (string, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: s.id(name)})
	switch platform.Code(err) {
	case notThere:
		return "", fault.New(fault.NotFound, "there is no secret %s", *s.id(name))
	case beingDeleted:
		return "", fault.New(fault.NotFound, "secret %s is being deleted: %w", *s.id(name), err)
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", *s.id(name), secretCodes.Fault(err))
	}
	return aws.ToString(out.SecretString), nil
}

// DeleteSecrets removes every secret whose name begins with the prefix, which ends with a slash. There is no recovery: the
// key of a cluster that is gone must not be had again.
func (s Secrets) DeleteSecrets(ctx context.Context, prefix string) error {
	name, ok := strings.CutSuffix(prefix, "/")
	if !ok || name == "" || path.Clean("/"+name) != "/"+name {
		return fault.New(fault.Invalid, "secrets are removed by a prefix that ends with a slash, not by %q", prefix)
	}
	for _, known := range s.config.Names {
		if err := s.delete(ctx, *s.id(prefix + known)); err != nil {
			return err
		}
	}
	return nil
}

func (s Secrets) delete(ctx context.Context, id string) error {
	_, err := s.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{
		SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true),
	})
	switch platform.Code(err) {
	case notThere, beingDeleted:
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete secret %s: %w", id, secretCodes.Fault(err))
	}
	return nil
}
