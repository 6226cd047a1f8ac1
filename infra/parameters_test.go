package main

import (
	"maps"
	"strings"
	"testing"
)

func TestParameters_ThatDoNotFitSayWhatToChange(t *testing.T) {
	const vpc, subnet, table = "vpc-0123456789abcdef0", "subnet-0123456789abcdef", "rtb-0123456789abcdef0"
	three := subnet + "0," + subnet + "1," + subnet + "2"
	for _, tt := range []struct {
		name  string
		given map[string]string
		want  string
	}{
		{"a VPC without subnets", map[string]string{"vpc": vpc, "routeTables": table}, "vpc is " + vpc + " and subnets is missing: name two or three subnets of it"},
		{"subnets without a VPC", map[string]string{"subnets": three}, "belong to an existing VPC: name it by vpc=vpc-…, or leave them out for a new VPC"},
		{"one subnet", map[string]string{"vpc": vpc, "subnets": subnet + "0", "routeTables": table}, "subnets names 1 subnets; MSK's clusters spread over two or three zones"},
		{"one subnet twice", map[string]string{"vpc": vpc, "subnets": subnet + "0," + subnet + "0", "routeTables": table}, "give one subnet of each zone"},
		{"no route tables", map[string]string{"vpc": vpc, "subnets": three}, "name the route tables of the subnets by routeTables=rtb-…, or say gatewayEndpoints=existing"},
		{"endpoints that are both there and to be made", map[string]string{"vpc": vpc, "subnets": three, "routeTables": table, "gatewayEndpoints": "existing"}, "leave one of them out"},
		{"no VPC's id", map[string]string{"vpc": "my-vpc", "subnets": three, "routeTables": table}, `vpc is "my-vpc"; give an id such as vpc-0123456789abcdef0`},
		{"no subnet's id", map[string]string{"vpc": vpc, "subnets": three + ",sub", "routeTables": table}, `subnets is "sub"; give an id such as subnet-`},
		{"zones of an existing VPC", map[string]string{"vpc": vpc, "subnets": three, "routeTables": table, "zones": "us-east-1a"}, "zones belongs to a new VPC"},
		{"a range that is not private", map[string]string{"vpcCidr": "8.8.0.0/16"}, "give a private IPv4 range between /16 and /24"},
		{"a range too small", map[string]string{"vpcCidr": "10.0.0.0/28"}, "give a private IPv4 range between /16 and /24"},
		{"two zones", map[string]string{"zones": "us-east-1a,us-east-1b"}, "name three"},
		{"a zone elsewhere", map[string]string{"zones": "us-east-1a,us-east-1b,eu-west-1a"}, `zones has "eu-west-1a", which is no zone of us-east-1`},
		{"a region with two zones", map[string]string{"region": "us-west-1"}, "deploy elsewhere, or give an existing VPC"},
		{"a region of another partition", map[string]string{"region": "cn-north-1"}, "deploy to one of those"},
		{"no region", map[string]string{"region": "Frankfurt"}, "give a name such as eu-central-1"},
		{"a name that is misspelt", map[string]string{"vpcid": vpc}, `there is no parameter "vpcid"; infra/README.md lists them`},
		{"a name with spaces", map[string]string{"deployment": "My Kafka"}, "give 2 to 24 lower-case letters"},
		{"two controllers", map[string]string{"controllers": "2"}, "give one of: 1, 3, 5"},
		{"logs kept for a day", map[string]string{"logRetentionDays": "1"}, "give one of: 7, 14, 30, 90, 180, 365"},
		{"no requests", map[string]string{"throttleRate": "0"}, "give a number from 1 to 10000"},
		{"a function nobody knows", map[string]string{"reservedConcurrency": "brokers=5"}, "with functions of: api, operations"},
		{"no number of executions", map[string]string{"reservedConcurrency": "api"}, "such as api=5,operations=3"},
		{"an image twice", map[string]string{"brokerImageId": "ami-0123456789abcdef0", "imageSubnet": subnet + "0"}, "leave one of them out"},
		{"an image's subnet alone", map[string]string{"imageSubnet": subnet + "0"}, "go together"},
		{"an image's security groups alone", map[string]string{"imageSecurityGroups": "sg-01234567"}, "go together"},
		{"no security group's id", map[string]string{"imageSubnet": subnet + "0", "imageSecurityGroups": "open"}, "give an id such as sg-"},
		{"no address", map[string]string{"alarmEmail": "oncall"}, "which is no address"},
		{"a zone of one word", map[string]string{"zoneName": "kafka"}, "a domain name such as millrace.internal"},
		{"nothing built", map[string]string{"build": "nowhere"}, "nowhere/api/bootstrap"},
		{"nothing built", map[string]string{"build": "nowhere"}, "missing: run `make build` first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given := map[string]string{"build": builds["before"]}
			maps.Copy(given, tt.given)
			_, err := readParameters(given, func(string) string { return "" })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("it says %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParameters_OfAnExistingVpcFit(t *testing.T) {
	p, err := readParameters(map[string]string{
		"build": builds["before"], "vpc": "vpc-01234567", "subnets": "subnet-01234567 subnet-89abcdef", "gatewayEndpoints": "existing",
	}, func(string) string { return "" })
	if err != nil || len(p.Subnets) != 2 || p.OwnEndpoints {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestRegion_IsTheParameterThenTheEnvironmentThenTheProfile(t *testing.T) {
	environment := map[string]string{"AWS_REGION": "eu-central-1", "CDK_DEFAULT_REGION": "eu-west-1"}
	getenv := func(name string) string { return environment[name] }
	region := func(given string) string {
		p, err := readParameters(map[string]string{"build": builds["before"], "region": given}, getenv)
		if err != nil {
			t.Fatal(err)
		}
		return p.Region
	}
	if got := region("ap-southeast-2"); got != "ap-southeast-2" {
		t.Errorf("given: %s", got)
	}
	if got := region(""); got != "eu-central-1" {
		t.Errorf("AWS_REGION: %s", got)
	}
	delete(environment, "AWS_REGION")
	if got := region(""); got != "eu-west-1" {
		t.Errorf("the profile's: %s", got)
	}
	delete(environment, "CDK_DEFAULT_REGION")
	if got := region(""); got != "us-east-1" {
		t.Errorf("nothing said: %s", got)
	}
}
