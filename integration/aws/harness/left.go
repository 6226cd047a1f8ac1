package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Resources are everything in the account that is made at run time: instances that are not terminated, volumes of records,
// interfaces, names, secrets, and the machines behind the instances. A deployment without clusters has none.
func (d *Deployment) Resources() []string {
	d.t.Helper()
	var found []string
	for _, id := range d.rules.Alive() {
		found = append(found, "instance "+id)
	}
	for _, h := range d.Hosts() {
		found = append(found, "machine of "+h.Instance)
	}
	client := ec2.NewFromConfig(d.resources.admin)
	volumes, err := client.DescribeVolumes(d.ctx, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		if len(v.Tags) > 0 { // root volumes are their instances' own business
			found = append(found, "volume "+aws.ToString(v.VolumeId))
		}
	}
	interfaces, err := client.DescribeNetworkInterfaces(d.ctx, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, i := range interfaces.NetworkInterfaces {
		found = append(found, "interface "+aws.ToString(i.NetworkInterfaceId))
	}
	zone, err := d.zone()
	if err != nil {
		d.t.Fatal(err)
	}
	names, err := route53.NewFromConfig(d.resources.admin).ListResourceRecordSets(d.ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, n := range names.ResourceRecordSets {
		if n.Type == route53types.RRTypeA {
			found = append(found, "name "+aws.ToString(n.Name))
		}
	}
	secrets, err := secretsmanager.NewFromConfig(d.resources.admin).ListSecrets(d.ctx, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range secrets.SecretList {
		found = append(found, "secret "+aws.ToString(s.Name))
	}
	slices.Sort(found)
	return found
}

// Items are the table's items, as partition/sort, without those of access keys and those that end by themselves.
func (d *Deployment) Items() []string {
	d.t.Helper()
	table, err := d.one("AWS::DynamoDB::GlobalTable")
	if err != nil {
		d.t.Fatal(err)
	}
	scan := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(d.resources.admin), &dynamodb.ScanInput{TableName: &table.ref})
	var found []string
	for scan.HasMorePages() {
		page, err := scan.NextPage(d.ctx)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, item := range page.Items {
			_, ends := item["expires"]
			name := fmt.Sprintf("%s/%s", text(item["pk"]), text(item["sk"]))
			if !ends && !strings.HasPrefix(name, "access-keys/") {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found
}

func text(v dynamodbtypes.AttributeValue) string {
	s, _ := v.(*dynamodbtypes.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Events are the types of the events that functions have published on the deployment's bus so far, in order.
func (d *Deployment) Events() []string {
	d.t.Helper()
	var found []string
	for _, c := range d.rules.Calls() {
		if c.Name() != "events:PutEvents" {
			continue
		}
		entries, _ := c.Parameters["Entries"].([]any)
		for _, e := range entries {
			entry, _ := e.(map[string]any)
			found = append(found, fmt.Sprint(entry["DetailType"]))
		}
	}
	return found
}
