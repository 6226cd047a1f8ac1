package compute

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
	platform "github.com/millrace/millrace/shared/platform/aws"
)

// Tags on everything that is made, beside those that all of a deployment has.
const (
	nodeTag   = "millrace:node"
	tokenTag  = "millrace:token"
	recordTag = "millrace:record" // on network interfaces: the name in Route 53 that goes with it
	// furtherTag is on further volumes: the number that tells them from the first one, and from each other.
	furtherTag = "millrace:further-volume"
)

// tags are those of something that is made for a token. They are in one order always: parameters of a repeated call with a
// client token have to be the same.
func (r region) tags(kind types.ResourceType, token cluster.Token, clusterName string, role cluster.Role, more ...types.Tag) types.TagSpecification {
	node := strconv.Itoa(int(token.NodeID))
	return types.TagSpecification{ResourceType: kind, Tags: append([]types.Tag{
		{Key: aws.String("Name"), Value: aws.String(clusterName + " " + string(role) + " " + node)},
		{Key: aws.String(platform.DeploymentTag), Value: &r.Deployment},
		{Key: aws.String(platform.ClusterTag), Value: &token.ClusterID},
		{Key: aws.String(nodeTag), Value: &node},
		{Key: aws.String(tokenTag), Value: aws.String(token.String())},
	}, more...)}
}

// numbered is the tag of a further volume; none for the first one.
func numbered(token cluster.Token) []types.Tag {
	if token.Volume == 0 {
		return nil
	}
	return []types.Tag{{Key: aws.String(furtherTag), Value: aws.String(strconv.Itoa(token.Volume))}}
}

// numberOf is a further volume's number; 0 for the first one.
func numberOf(v types.Volume) int {
	number, _ := strconv.Atoi(tag(v.Tags, furtherTag)) // none, or one of ours
	return number
}

// ofToken filters by what was made for a token.
func (r region) ofToken(token cluster.Token) []types.Filter {
	return []types.Filter{
		{Name: aws.String("tag:" + tokenTag), Values: []string{token.String()}},
		{Name: aws.String("tag:" + platform.DeploymentTag), Values: []string{r.Deployment}},
	}
}

// tag gives the value of a tag; empty when there is none.
func tag(tags []types.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// clientTokens are the client tokens of one wish, in the order in which they are used. EC2 answers a client token that was
// used with the resource of that first time, also when that one has been deleted since, so the next number is taken then.
func clientTokens(token cluster.Token) []string {
	const numbers = 16
	tokens := make([]string, numbers)
	for n := range tokens {
		tokens[n] = fmt.Sprintf("%s.%d", token, n)
	}
	return tokens
}
