package vault_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws/awstest"
	"github.com/millrace/millrace/shared/platform/aws/vault"
	"github.com/millrace/millrace/shared/platform/platformtest"
)

func TestSeal_Conforms(t *testing.T) {
	a := awstest.Start(t)
	platformtest.SealSuite(t, func(t *testing.T) platformtest.Seal {
		return vault.NewSeal(a.Config, a.NewKey(t))
	})
}

func TestSecrets_Conform(t *testing.T) {
	platformtest.SecretsSuite(t, func(t *testing.T) platformtest.Platform {
		a := awstest.Start(t)
		return platformtest.Platform{Secrets: newSecrets(a.Config, "test", a.NewKey(t))}
	})
}

func newSecrets(config aws.Config, deployment, key string) vault.Secrets {
	return vault.NewSecrets(config, vault.SecretsConfig{
		Deployment: deployment, Key: key, Names: []string{"authority", "password"},
	})
}

func wantCode(t *testing.T, what string, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

func TestSecrets_BelongToTheirDeploymentAndCluster(t *testing.T) {
	a := awstest.Start(t)
	key := a.NewKey(t)
	secrets := newSecrets(a.Config, "blue", key)
	other := newSecrets(a.Config, "green", key)
	for _, s := range []vault.Secrets{secrets, other} {
		if _, err := s.PutSecret(t.Context(), "cluster-1/authority", "x"); err != nil {
			t.Fatal(err)
		}
	}
	made, err := secretsmanager.NewFromConfig(a.Config).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{
		SecretId: aws.String("blue/cluster-1/authority"),
	})
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{}
	for _, tag := range made.Tags {
		tags[*tag.Key] = *tag.Value
	}
	if tags["millrace:deployment"] != "blue" || tags["millrace:cluster"] != "cluster-1" || aws.ToString(made.KmsKeyId) != key {
		t.Errorf("tags %v, key %s", tags, aws.ToString(made.KmsKeyId))
	}
	wantCode(t, "delete", secrets.DeleteSecrets(t.Context(), "cluster-1/"), "")
	_, err = other.Secret(t.Context(), "cluster-1/authority")
	wantCode(t, "the other deployment's secret", err, "")
}

// Secrets Manager's list is minutes behind, and allowing it takes a permission on every secret of the account.
func TestDeleteSecrets_NeedsNoList(t *testing.T) {
	a := awstest.Start(t)
	config := awstest.Intercept(a.Config, func(operation string, _ *http.Request, next awstest.Next) (*http.Response, error) {
		if operation == "ListSecrets" {
			return awstest.Refuse(http.StatusBadRequest, "AccessDeniedException", "not authorized", nil)
		}
		return next()
	})
	secrets := newSecrets(config, "test", "")
	_, err := secrets.PutSecret(t.Context(), "cluster-1/other", "x")
	wantCode(t, "a secret that would not be found again", err, fault.Invalid)
	if _, err := secrets.PutSecret(t.Context(), "cluster-1/authority", "x"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "delete", secrets.DeleteSecrets(t.Context(), "cluster-1/"), "")
	_, err = secrets.Secret(t.Context(), "cluster-1/authority")
	wantCode(t, "the secret", err, fault.NotFound)
}

// scheduled answers as Secrets Manager does for a secret that is being deleted.
func scheduled() (*http.Response, error) {
	return awstest.Refuse(http.StatusBadRequest, "InvalidRequestException",
		"You can't create this secret because a secret with this name is already scheduled for deletion.", nil)
}

func TestPutSecret_WaitsUntilADeletedSecretsNameIsFree(t *testing.T) {
	a := awstest.Start(t)
	refused := 0
	config := awstest.Intercept(a.Config, func(operation string, _ *http.Request, next awstest.Next) (*http.Response, error) {
		if operation == "CreateSecret" && refused < 2 {
			refused++
			return scheduled()
		}
		return next()
	})
	secrets := newSecrets(config, "test", "")
	kept, err := secrets.PutSecret(t.Context(), "cluster-1/authority", "new")
	if err != nil || kept != "new" || refused != 2 {
		t.Errorf("%q, %v after %d refusals", kept, err, refused)
	}
}

func TestSecrets_ThatAreBeingDeletedAreNotThere(t *testing.T) {
	a := awstest.Start(t)
	config := awstest.Intercept(a.Config, func(string, *http.Request, awstest.Next) (*http.Response, error) {
		return scheduled()
	})
	secrets := newSecrets(config, "test", "")
	_, err := secrets.Secret(t.Context(), "cluster-1/authority")
	wantCode(t, "read", err, fault.NotFound)
	wantCode(t, "delete", secrets.DeleteSecrets(t.Context(), "cluster-1/"), "")
}

func TestPutSecret_GivesWhatIsKeptWhenItsAnswerIsLost(t *testing.T) {
	a := awstest.Start(t)
	lost := 0
	config := awstest.Intercept(a.Config, func(operation string, _ *http.Request, next awstest.Next) (*http.Response, error) {
		if operation == "CreateSecret" && lost == 0 {
			lost++
			return awstest.Lose(next)
		}
		return next()
	})
	secrets := newSecrets(config, "test", "")
	if kept, err := secrets.PutSecret(t.Context(), "cluster-1/authority", "first"); err != nil || kept != "first" {
		t.Errorf("%q, %v", kept, err)
	}
}

func TestVault_SaysWhichPermissionIsMissing(t *testing.T) {
	a := awstest.Start(t)
	config := awstest.Intercept(a.Config, func(string, *http.Request, awstest.Next) (*http.Response, error) {
		return awstest.Refuse(http.StatusBadRequest, "AccessDeniedException",
			"User: test is not authorized to perform this because no identity-based policy allows it", nil)
	})
	secrets := newSecrets(config, "test", "")
	_, putErr := secrets.PutSecret(t.Context(), "c/authority", "x")
	_, getErr := secrets.Secret(t.Context(), "c/authority")
	_, sealErr := vault.NewSeal(config, "key").Seal(t.Context(), []byte("x"), nil)
	_, unsealErr := vault.NewSeal(config, "key").Unseal(t.Context(), []byte("x"), nil)
	for permission, err := range map[string]error{
		"secretsmanager:CreateSecret": putErr, "secretsmanager:GetSecretValue": getErr,
		"secretsmanager:DeleteSecret": secrets.DeleteSecrets(t.Context(), "c/"), "kms:Encrypt": sealErr, "kms:Decrypt": unsealErr,
	} {
		wantCode(t, permission, err, fault.Internal)
		if err == nil || !strings.Contains(err.Error(), permission+" is not allowed: give the role") {
			t.Errorf("%v does not name %s", err, permission)
		}
	}
}

func TestVault_IsUnavailableWhileItsServicesAre(t *testing.T) {
	a := awstest.Start(t)
	config := awstest.Intercept(a.Config, func(string, *http.Request, awstest.Next) (*http.Response, error) {
		return awstest.Refuse(http.StatusInternalServerError, "InternalServiceError", "said by the test", nil)
	})
	_, err := newSecrets(config, "test", "").Secret(t.Context(), "c/authority")
	wantCode(t, "secrets", err, fault.Unavailable)
	_, err = vault.NewSeal(config, "key").Unseal(t.Context(), []byte("x"), nil)
	wantCode(t, "seal", err, fault.Unavailable)
	began := time.Now()
	_, err = newSecrets(config, "test", "").PutSecret(t.Context(), "c/authority", "x")
	wantCode(t, "put", err, fault.Unavailable)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}
