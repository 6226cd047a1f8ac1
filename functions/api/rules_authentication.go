package api

import (
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

func someAuthenticationIsLeft(p types.ProvisionedRequest) error {
	if isOff(unauthenticated(p)) && !hasAuthentication(p) {
		return mskapi.BadRequest("clientAuthentication",
			"Unauthenticated cannot be set to false without enabling an authentication mechanism.")
	}
	return nil
}

func authenticationHasTLS(p types.ProvisionedRequest) error {
	if hasAuthentication(p) && inTransit(p).ClientBroker == types.ClientBrokerPlaintext {
		return mskapi.BadRequest("clientAuthentication", "Client-broker encryption in transit must be set to either TLS or "+
			"TLS_PLAINTEXT to enable client authentication.")
	}
	return nil
}

func authenticationHasTLSInCluster(p types.ProvisionedRequest) error {
	if hasAuthentication(p) && isOff(inTransit(p).InCluster) {
		return mskapi.BadRequest("clientAuthentication",
			"To turn on client authentication, you must also turn on in-cluster encryption.")
	}
	return nil
}

func saslBesidePlaintextIsExplicit(p types.ProvisionedRequest) error {
	open := aws.ToBool(unauthenticated(p))
	if hasSASL(p) && inTransit(p).ClientBroker == types.ClientBrokerTlsPlaintext && !open {
		return mskapi.BadRequest("clientAuthentication",
			"With TLS_PLAINTEXT and SASL you must enable unauthenticated traffic explicitly.")
	}
	return nil
}

var privateCA = regexp.MustCompile(`^arn:aws[a-z-]*:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9A-Za-z-]+$`)

func certificateAuthoritiesAreARNs(p types.ProvisionedRequest) error {
	if p.ClientAuthentication == nil || p.ClientAuthentication.Tls == nil {
		return nil
	}
	for _, arn := range p.ClientAuthentication.Tls.CertificateAuthorityArnList {
		if !privateCA.MatchString(arn) {
			return mskapi.BadRequest("certificateAuthorityArnList",
				"One or more of the certificate authority ARNs provided are invalid: %q.", arn)
		}
	}
	return nil
}

func unauthenticated(p types.ProvisionedRequest) *bool {
	if c := p.ClientAuthentication; c != nil && c.Unauthenticated != nil {
		return c.Unauthenticated.Enabled
	}
	return nil
}

func hasSASL(p types.ProvisionedRequest) bool {
	c := p.ClientAuthentication
	if c == nil || c.Sasl == nil {
		return false
	}
	return c.Sasl.Iam != nil && aws.ToBool(c.Sasl.Iam.Enabled) || c.Sasl.Scram != nil && aws.ToBool(c.Sasl.Scram.Enabled)
}

func hasAuthentication(p types.ProvisionedRequest) bool {
	c := p.ClientAuthentication
	return hasSASL(p) || c != nil && c.Tls != nil && aws.ToBool(c.Tls.Enabled)
}

func inTransit(p types.ProvisionedRequest) types.EncryptionInTransit {
	if e := p.EncryptionInfo; e != nil && e.EncryptionInTransit != nil {
		return *e.EncryptionInTransit
	}
	return types.EncryptionInTransit{}
}
