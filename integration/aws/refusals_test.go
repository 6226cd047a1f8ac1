package aws

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/integration/aws/harness"
)

func TestCallers_MayDoWhatTheirKeysRoleAllows(t *testing.T) {
	d := harness.Start(t)
	admin := d.Admin()
	readOnly := d.IssueKey(admin, "read-only")
	if out := d.AWS(readOnly, "kafka", "list-clusters-v2"); !strings.Contains(out, "ClusterInfoList") {
		t.Errorf("list-clusters-v2 printed %s", out)
	}
	wantRefusal(t, d, readOnly, "ForbiddenException", "role", d.Create("orders", 3)...)
	stranger := harness.Credentials{ID: "MILLRACEABCDEFGHIJKL", Secret: "nobody's"}
	wantRefusal(t, d, stranger, "UnauthorizedException", "not known here", "kafka", "list-clusters-v2")
	forger := harness.Credentials{ID: readOnly.ID, Secret: "another"}
	wantRefusal(t, d, forger, "ForbiddenException", "signature", "kafka", "list-clusters-v2")
}

// wantRefusal runs the aws command line and wants it to fail, with a type of error and some words of its message.
func wantRefusal(t *testing.T, d *harness.Deployment, c harness.Credentials, kind, words string, args ...string) {
	t.Helper()
	out, err := d.TryAWS(c, args...)
	if err == nil {
		t.Errorf("aws %s printed %s", strings.Join(args, " "), out)
		return
	}
	if !strings.Contains(err.Error(), kind) || !strings.Contains(err.Error(), words) {
		t.Errorf("aws %s: %v; want %s with %q", strings.Join(args, " "), err, kind, words)
	}
}

func TestCreate_RefusesWhatCannotBeOnAWS(t *testing.T) {
	d := harness.Start(t)
	key := d.IssueKey(d.Admin(), "operator")
	subnets := strings.Join(d.Subnets(), ",")
	before := d.Items()
	create := func(group string) []string {
		return []string{
			"kafka", "create-cluster", "--cluster-name", "orders", "--kafka-version", "4.3.x.kraft",
			"--number-of-broker-nodes", "3", "--broker-node-group-info", group,
		}
	}
	for _, tt := range []struct{ name, group, words string }{
		{"subnets of another VPC", "InstanceType=kafka.m7g.large,ClientSubnets=" + strings.Join(d.ForeignSubnets(), ","), d.ForeignSubnets()[0]},
		{"subnets that are not there", "InstanceType=kafka.m7g.large,ClientSubnets=subnet-1,subnet-2,subnet-3", "subnet-1"},
		{"two subnets of one zone", "InstanceType=kafka.m7g.large,ClientSubnets=" + strings.Join(append(d.Subnets()[:2], d.SubnetBeside(d.Subnets()[0])), ","), "zone"},
		{"x86", "InstanceType=kafka.m5.large,ClientSubnets=" + subnets, "kafka.m7g.large"},
		{"a security group that is not there", "InstanceType=kafka.m7g.large,SecurityGroups=sg-12345678,ClientSubnets=" + subnets, "sg-12345678"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantRefusal(t, d, key, "BadRequestException", tt.words, create(tt.group)...)
		})
	}
	if after := d.Items(); len(after) != len(before) {
		t.Errorf("refused requests have left %q in the table", after)
	}
	if left := d.Resources(); len(left) > 0 {
		t.Errorf("refused requests have made %q", left)
	}
}
