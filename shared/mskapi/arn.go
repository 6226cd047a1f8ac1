package mskapi

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// Scope is where an ARN lives. One control plane serves one scope.
type Scope struct {
	Partition string // "aws"
	Region    string
	Account   string // 12 digits
}

func (s Scope) arn(resource string) string {
	return fmt.Sprintf("arn:%s:kafka:%s:%s:%s", s.Partition, s.Region, s.Account, resource)
}

// ClusterARN names a cluster; id comes from NewID.
func (s Scope) ClusterARN(name, id string) string { return s.arn("cluster/" + name + "/" + id) }

// OperationARN names one operation of a cluster; operationID is a plain UUID.
func (s Scope) OperationARN(clusterName, clusterID, operationID string) string {
	return s.arn("cluster-operation/" + clusterName + "/" + clusterID + "/" + operationID)
}

// ConfigurationARN names a configuration; id comes from NewID.
func (s Scope) ConfigurationARN(name, id string) string {
	return s.arn("configuration/" + name + "/" + id)
}

// NodeARN names one broker or controller of a cluster, as ListNodes does.
func (s Scope) NodeARN(clusterName, clusterID string, nodeID int32) string {
	return s.arn(fmt.Sprintf("broker/%s/%s/%d", clusterName, clusterID, nodeID))
}

// ResourceName is what an ARN says below its scope. OperationID is set for cluster operations only.
type ResourceName struct {
	Kind        string // cluster, cluster-operation or configuration
	Name        string
	ID          string
	OperationID string
}

var (
	namePattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)
	idPattern   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{1,3}$`)
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// ParseCluster reads a cluster ARN; param is the member to blame for one that is malformed or not of this scope.
func (s Scope) ParseCluster(param, arn string) (ResourceName, error) {
	return s.parse(param, arn, "cluster")
}

// ParseOperation reads a cluster-operation ARN.
func (s Scope) ParseOperation(param, arn string) (ResourceName, error) {
	return s.parse(param, arn, "cluster-operation")
}

// ParseConfiguration reads a configuration ARN.
func (s Scope) ParseConfiguration(param, arn string) (ResourceName, error) {
	return s.parse(param, arn, "configuration")
}

func (s Scope) parse(param, arn, kind string) (ResourceName, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kafka" {
		return ResourceName{}, BadRequest(param, "%q is not the ARN of a %s.", arn, kind)
	}
	if in := (Scope{parts[1], parts[3], parts[4]}); in != s {
		return ResourceName{}, BadRequest(param, "%q belongs to another partition, region or account.", arn)
	}
	path := strings.Split(parts[5], "/")
	want := 3
	if kind == "cluster-operation" {
		want = 4
	}
	if len(path) != want || path[0] != kind || !namePattern.MatchString(path[1]) || !idPattern.MatchString(path[2]) {
		return ResourceName{}, BadRequest(param, "%q is not the ARN of a %s.", arn, kind)
	}
	r := ResourceName{Kind: kind, Name: path[1], ID: path[2]}
	if want == 4 {
		if !uuidPattern.MatchString(path[3]) {
			return ResourceName{}, BadRequest(param, "%q is not the ARN of a %s.", arn, kind)
		}
		r.OperationID = path[3]
	}
	return r, nil
}

// NewID makes the last part of a cluster or configuration ARN: a UUID and a small number. The number means nothing, but
// MSK has it and tools parse it.
func NewID(random io.Reader) (string, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return fmt.Sprintf("%s-%d", id, 1+id[15]%26), nil
}

const versionAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// NewClusterVersion makes a currentVersion: K and 13 upper-case letters or digits. Versions have no order.
func NewClusterVersion(random io.Reader) (string, error) {
	var b [13]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a cluster version: %w", err)
	}
	for i, r := range b {
		b[i] = versionAlphabet[int(r)%len(versionAlphabet)] // a slight bias does no harm: it is no secret
	}
	return "K" + string(b[:]), nil
}

var wholeARN = regexp.MustCompile("^" + arnPattern + "$")

// IsARN tells whether a text is one ARN of the API, with as many parts as its kind has and nothing after them.
func IsARN(text string) bool { return wholeARN.MatchString(text) }
