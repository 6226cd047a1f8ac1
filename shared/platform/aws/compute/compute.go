// Package compute is what nodes live on in AWS: EC2 instances as hosts, EBS volumes as log volumes, and network interfaces
// with names in Route 53 as addresses.
//
// Everything that is made carries the token that it was made for as a tag, and is looked for by that tag before it is made.
// EC2 knows what it has just made only a moment later, so the call that makes it names the token once more, as its client
// token: the same wish twice is one resource, whatever was seen and whichever answer was lost.
//
// It does not decide which nodes there are, nor when what they live on may go; nor does it put anything onto hosts.
package compute

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/millrace/millrace/shared/cluster"
)

// Config says where and with what nodes are made.
type Config struct {
	// Deployment is the name of this control plane: the one account may hold several.
	Deployment string
	// VPC is the one that clusters live in.
	VPC string
	// LaunchTemplate is the id of the template whose default version describes every host.
	LaunchTemplate string
	// VolumeKey is the ARN of the KMS key that log volumes are encrypted with.
	VolumeKey string
	// ZoneID and ZoneName are the private zone in Route 53 in which addresses have their names.
	ZoneID, ZoneName string
	// HostSecurityGroup is on every address. ClientSecurityGroup is there as well where a cluster names no groups.
	HostSecurityGroup, ClientSecurityGroup string

	// Settle is how long EC2 may not know of something that it has just made, or still show what it has just ended;
	// 15 seconds unless it is set.
	Settle time.Duration
	// Look is the pause between two looks at something that is awaited; a second unless it is set.
	Look time.Duration
}

// Platform is what AWS has for nodes.
type Platform struct {
	Hosts     Hosts
	Volumes   Volumes
	Addresses Addresses
	Zones     Zones
}

// New gives the platform that a configuration describes. Nothing is asked of AWS before it is needed.
func New(connection aws.Config, c Config) Platform {
	if c.Settle == 0 {
		c.Settle = 15 * time.Second
	}
	if c.Look == 0 {
		c.Look = time.Second
	}
	r := region{Config: c, ec2: ec2.NewFromConfig(connection), route53: route53.NewFromConfig(connection)}
	return Platform{Hosts: Hosts{r}, Volumes: Volumes{r}, Addresses: Addresses{r}, Zones: Zones{r}}
}

// Hosts are EC2 instances.
type Hosts struct{ region }

// Volumes are EBS volumes.
type Volumes struct{ region }

// Addresses are network interfaces, each with a name in the private zone.
type Addresses struct{ region }

// Zones tell where subnets lie.
type Zones struct{ region }

// region is what all parts have in common.
type region struct {
	Config
	ec2     *ec2.Client
	route53 *route53.Client
}

// leastLooks is how often it is looked before something is said not to be there, however long the looks themselves take:
// whoever takes an answer that is late for a no makes the same thing twice.
const leastLooks = 6

// settled looks until it is true, for as long as EC2 may take to show what it has done; false when it never was. The last look
// begins when that time is over, so that a look which takes long is not taken for a sign that there is nothing.
func (r region) settled(ctx context.Context, look func() (bool, error)) (bool, error) {
	over := time.Now().Add(r.Settle)
	for looks := 1; ; looks++ {
		last := looks >= leastLooks && !time.Now().Before(over)
		seen, err := look()
		if seen || err != nil || last {
			return seen, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(r.Look):
		}
	}
}

// settledByToken gives what a token has made, also what EC2 does not show yet; what names its kind.
func settledByToken[T any](
	ctx context.Context, r region, what string, token cluster.Token, look func(context.Context, cluster.Token) ([]T, error),
) ([]T, error) {
	var found []T
	_, err := r.settled(ctx, func() (_ bool, err error) {
		found, err = look(ctx, token)
		return len(found) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for %s %s: %w", what, token, err)
	}
	return found, nil
}
