package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// EnsureAddress makes a network interface with its name, or gives the one that the token has made before.
func (a Addresses) EnsureAddress(ctx context.Context, r cluster.AddressRequest) (cluster.Address, error) {
	found, err := a.byToken(ctx, r.Token)
	if err != nil {
		return cluster.Address{}, fmt.Errorf("look for address %s: %w", r.Token, err)
	}
	var address cluster.Address
	if len(found) > 0 {
		address = addressOf(found[0])
	} else if address, err = a.make(ctx, r); err != nil {
		return cluster.Address{}, err
	}
	// Said again also where it was said before: one call more a node and life, instead of a look each time.
	if address.NameChange, err = a.name(ctx, address); err != nil {
		return cluster.Address{}, fmt.Errorf("name address %s: %w", address.ID, err)
	}
	return address, nil
}

func (a Addresses) make(ctx context.Context, r cluster.AddressRequest) (cluster.Address, error) {
	record := a.recordName(r)
	for _, clientToken := range clientTokens(r.Token) {
		made, err := a.ec2.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{
			ClientToken: aws.String(clientToken),
			SubnetId:    &r.Subnet,
			Groups:      a.groups(r.SecurityGroups),
			Description: aws.String("Millrace: " + record),
			TagSpecifications: []types.TagSpecification{a.tags(types.ResourceTypeNetworkInterface, r.Token, r.ClusterName, r.Role,
				types.Tag{Key: aws.String(recordTag), Value: &record})},
		})
		if is(err, otherParameters, noInterface) {
			// Made for other groups or another name, as before a new deployment, or deleted since.
			found, err := settledByToken(ctx, a.region, "address", r.Token, a.byToken)
			if err != nil {
				return cluster.Address{}, err
			}
			if len(found) > 0 {
				return addressOf(found[0]), nil
			}
			continue
		}
		if err != nil {
			return cluster.Address{}, fmt.Errorf("make address %s: %w", r.Token, failure(err, "a network interface in "+r.Subnet))
		}
		address := cluster.Address{
			ID: aws.ToString(made.NetworkInterface.NetworkInterfaceId), IP: aws.ToString(made.NetworkInterface.PrivateIpAddress), Name: record,
		}
		seen, err := a.seen(ctx, address.ID)
		if err != nil || seen {
			return address, err
		}
	}
	return cluster.Address{}, fault.New(fault.Unavailable, "address %s was given back too often within a day", r.Token)
}

// groups guard an address: ours, and the cluster's own or else the one for clients. A request may name ours as well; EC2
// takes each once.
func (a Addresses) groups(own []string) []string {
	if len(own) == 0 {
		own = []string{a.ClientSecurityGroup}
	}
	groups := []string{a.HostSecurityGroup}
	for _, group := range own {
		if group != a.HostSecurityGroup {
			groups = append(groups, group)
		}
	}
	return groups
}

// seen waits until everybody can see a network interface; false when there is none (any more).
func (a Addresses) seen(ctx context.Context, id string) (bool, error) {
	seen, err := a.settled(ctx, func() (bool, error) {
		found, err := a.network(ctx, id)
		return found != nil, err
	})
	if err != nil {
		return false, fmt.Errorf("look at address %s: %w", id, err)
	}
	return seen, nil
}

// ReleaseAddress gives back what a token has made, the name first: it is known only as long as the interface is there. One
// that is gone, or never was, is success; one that a host has is a Conflict.
func (a Addresses) ReleaseAddress(ctx context.Context, token cluster.Token) error {
	found, err := settledByToken(ctx, a.region, "address", token, a.byToken)
	if err != nil {
		return err
	}
	for _, i := range found {
		if err := a.release(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (a Addresses) release(ctx context.Context, i types.NetworkInterface) error {
	address := addressOf(i)
	if holder := interfaceHolder(i); holder != "" {
		return a.held(ctx, "address "+address.ID, holder)
	}
	if err := a.unname(ctx, address); err != nil {
		return fmt.Errorf("take the name of address %s away: %w", address.ID, err)
	}
	_, err := a.ec2.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: &address.ID})
	switch {
	case err == nil, is(err, noInterface):
		return nil
	case is(err, interfaceInUse, invalidValue):
		return a.interfaceHeld(ctx, address.ID, err)
	}
	return fmt.Errorf("give back address %s: %w", address.ID, failure(err, "address "+address.ID))
}

// interfaceHeld says why a network interface was refused as being in use.
func (r region) interfaceHeld(ctx context.Context, id string, refusal error) error {
	found, err := r.network(ctx, id)
	if err != nil {
		return fmt.Errorf("look at address %s: %w", id, err)
	}
	if found != nil {
		if holder := interfaceHolder(*found); holder != "" {
			return r.held(ctx, "address "+id, holder)
		}
	}
	return failure(refusal, "address "+id)
}

// byToken gives the network interfaces that a token has made, in one order. There is one, unless EC2 took longer than it may
// to show the first.
func (a Addresses) byToken(ctx context.Context, token cluster.Token) ([]types.NetworkInterface, error) {
	var found []types.NetworkInterface
	which := &ec2.DescribeNetworkInterfacesInput{Filters: a.ofToken(token)}
	for pages := ec2.NewDescribeNetworkInterfacesPaginator(a.ec2, which); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(err, "the look at network interfaces")
		}
		found = append(found, page.NetworkInterfaces...)
	}
	slices.SortFunc(found, func(a, b types.NetworkInterface) int {
		return strings.Compare(aws.ToString(a.NetworkInterfaceId), aws.ToString(b.NetworkInterfaceId))
	})
	return found, nil
}

// network gives a network interface; nil when nobody can see it.
func (r region) network(ctx context.Context, id string) (*types.NetworkInterface, error) {
	out, err := r.ec2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
	if is(err, noInterface) {
		return nil, nil
	}
	if err != nil {
		return nil, failure(err, "the look at network interfaces")
	}
	if len(out.NetworkInterfaces) == 0 {
		return nil, nil
	}
	return &out.NetworkInterfaces[0], nil
}

// interfaceHolder gives the host that has a network interface; empty when none has.
func interfaceHolder(i types.NetworkInterface) string {
	if i.Attachment == nil || i.Attachment.Status == types.AttachmentStatusDetached {
		return ""
	}
	return aws.ToString(i.Attachment.InstanceId)
}

func addressOf(i types.NetworkInterface) cluster.Address {
	return cluster.Address{ID: aws.ToString(i.NetworkInterfaceId), IP: aws.ToString(i.PrivateIpAddress), Name: tag(i.TagSet, recordTag)}
}
