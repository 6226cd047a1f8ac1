package awstest

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Metadata stands in for the metadata service of one instance, version 2 only: what is asked without a token is refused.
// Programs find it by AWS_EC2_METADATA_SERVICE_ENDPOINT.
type Metadata struct {
	InstanceID string
	UserData   string
	// Role is the name of the instance's role, Credentials what it is lent.
	Role        string
	Credentials aws.Credentials
}

const (
	metadataToken  = "a token of this instance"
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	lifetimeHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	rolesPath      = "/latest/meta-data/iam/security-credentials/"
)

func (m Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set(lifetimeHeader, r.Header.Get(lifetimeHeader))
		_, _ = io.WriteString(w, metadataToken)
		return
	case r.Header.Get(tokenHeader) != metadataToken:
		http.Error(w, "version 1 is turned off", http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/latest/meta-data/instance-id":
		_, _ = io.WriteString(w, m.InstanceID)
	case "/latest/user-data":
		_, _ = io.WriteString(w, m.UserData)
	case rolesPath:
		_, _ = io.WriteString(w, m.Role)
	case rolesPath + m.Role:
		_ = json.NewEncoder(w).Encode(map[string]any{
			"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now().UTC(),
			"AccessKeyId": m.Credentials.AccessKeyID, "SecretAccessKey": m.Credentials.SecretAccessKey,
			"Token": "session", "Expiration": time.Now().UTC().Add(6 * time.Hour),
		})
	default:
		http.NotFound(w, r)
	}
}
