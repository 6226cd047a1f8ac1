package vault

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/millrace/millrace/shared/fault"
)

// Seal encrypts small values with a key that never leaves KMS.
type Seal struct {
	client *kms.Client
	key    string
}

// NewSeal seals with the KMS key of an ARN.
func NewSeal(config aws.Config, key string) Seal {
	return Seal{client: kms.NewFromConfig(config), key: key}
}

// maxSealed is how long a value may be: KMS's limit for direct encryption.
const maxSealed = 4096

// Seal encrypts a value of 1 to 4,096 bytes. Only who names the same context can unseal it.
func (s Seal) Seal(ctx context.Context, plaintext []byte, context map[string]string) (sealed []byte, err error) {
	if len(plaintext) == 0 || len(plaintext) > maxSealed {
		return nil, fault.New(fault.Invalid, "a value of %d bytes can't be sealed; 1 to %d are possible", len(plaintext), maxSealed)
	}
	out, err := s.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &s.key, Plaintext: plaintext, EncryptionContext: context})
	if err != nil {
		return nil, keyCodes.Fault(err)
	}
	return out.CiphertextBlob, nil
}

// Unseal gives a sealed value back. It returns Invalid for what was not sealed by this key under this context.
func (s Seal) Unseal(ctx context.Context, sealed []byte, context map[string]string) (plaintext []byte, err error) {
	if len(sealed) == 0 {
		return nil, fault.New(fault.Invalid, "nothing is sealed in no bytes")
	}
	out, err := s.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &s.key, CiphertextBlob: sealed, EncryptionContext: context})
	if isForeign(err) {
		return nil, fault.New(fault.Invalid, "not sealed by key %s, or changed since: %w", s.key, err)
	}
	if err != nil {
		return nil, keyCodes.Fault(err)
	}
	return out.Plaintext, nil
}
