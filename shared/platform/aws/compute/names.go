package compute

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/millrace/millrace/shared/cluster"
)

// recordTTL bounds how long clients may hold on to an address; it never changes as long as the node lives.
const recordTTL = 60

// recordName is what clients connect to: b-1.orders-0f1e2d.kafka.internal. The cluster's label has a part of its id, because
// another cluster may have the same name later, or the same name but for its case. Controllers are c-1 and so on.
func (a Addresses) recordName(r cluster.AddressRequest) string {
	node := fmt.Sprintf("b-%d", r.Token.NodeID)
	if r.Role == cluster.Controller {
		node = fmt.Sprintf("c-%d", r.Token.NodeID-cluster.FirstController+1)
	}
	const longest, idPart = 63, 6 // of a label in DNS; of a cluster's id
	name, id := strings.ToLower(r.ClusterName), r.Token.ClusterID
	name, id = name[:min(len(name), longest-idPart-1)], id[:min(len(id), idPart)]
	return fmt.Sprintf("%s.%s-%s.%s", node, strings.TrimRight(name, "-"), id, strings.TrimSuffix(a.ZoneName, "."))
}

// name makes an address known by its name, in a while: it gives the change to ask for.
func (a Addresses) name(ctx context.Context, address cluster.Address) (change string, err error) {
	change, err = a.change(ctx, types.ChangeActionUpsert, record(address))
	return change, failure(err, "record "+address.Name)
}

// NameKnown tells whether all servers of Route 53 answer with an address's record.
func (a Addresses) NameKnown(ctx context.Context, address cluster.Address) (bool, error) {
	if address.NameChange == "" {
		return true, nil
	}
	out, err := a.route53.GetChange(ctx, &route53.GetChangeInput{Id: &address.NameChange})
	if is(err, noChange) { // Route 53 forgets what is long in sync
		return true, nil
	}
	if err != nil {
		return false, failure(err, "record "+address.Name)
	}
	return out.ChangeInfo.Status == types.ChangeStatusInsync, nil
}

// unname deletes the record of an address. One that is not there is success. Route 53 deletes only what is described
// exactly, and answers the rest with one code, so it is asked what is there then.
func (a Addresses) unname(ctx context.Context, address cluster.Address) error {
	if address.Name == "" {
		return nil
	}
	_, err := a.change(ctx, types.ChangeActionDelete, record(address))
	if !is(err, invalidChange) {
		return failure(err, "record "+address.Name)
	}
	out, err := a.route53.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &a.ZoneID, StartRecordName: &address.Name, StartRecordType: types.RRTypeA, MaxItems: aws.Int32(1),
	})
	if err != nil {
		return failure(err, "record "+address.Name)
	}
	for _, r := range out.ResourceRecordSets {
		if strings.TrimSuffix(aws.ToString(r.Name), ".") == address.Name && r.Type == types.RRTypeA {
			_, err := a.change(ctx, types.ChangeActionDelete, r)
			return failure(err, "record "+address.Name)
		}
	}
	return nil
}

func (a Addresses) change(ctx context.Context, action types.ChangeAction, r types.ResourceRecordSet) (id string, err error) {
	out, err := a.route53.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &a.ZoneID,
		ChangeBatch:  &types.ChangeBatch{Changes: []types.Change{{Action: action, ResourceRecordSet: &r}}},
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ChangeInfo.Id), nil
}

func record(address cluster.Address) types.ResourceRecordSet {
	return types.ResourceRecordSet{
		Name: &address.Name, Type: types.RRTypeA, TTL: aws.Int64(recordTTL),
		ResourceRecords: []types.ResourceRecord{{Value: &address.IP}},
	}
}
