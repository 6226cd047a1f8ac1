package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
)

// parameters are what a deployment can be told. All have a value that works, so `make deploy` alone makes a deployment of
// its own with a VPC of its own.
type parameters struct {
	Deployment string
	Region     string

	// Network: an existing VPC, when VPC is set, and otherwise a new one.
	VPC                 string
	Subnets             []string
	RouteTables         []string
	OwnEndpoints        bool
	VPCCIDR             string
	Zones               []string
	ZoneName            string
	BrokerImageID       string
	ImageSubnet         string
	ImageSecurityGroups []string
	ImageEdition        string
	Build               string
	Controllers         int
	Reserved            map[string]int
	LogRetentionDays    int
	ThrottleRate        int
	ThrottleBurst       int
	AlarmEmail          string
}

// known are the names of all parameters, their defaults and their meaning; the README shows this list.
var known = []struct{ name, fallback, meaning string }{
	{"deployment", "millrace", "name of the stack; first part of the names of all that belongs to it"},
	{"region", "", "where to deploy; otherwise `AWS_REGION`, the profile's region, us-east-1"},
	{"vpc", "", "an existing VPC for the brokers; a new one is made otherwise. It needs DNS support and DNS host names"},
	{"subnets", "", "subnets of that VPC, one of each of two or three zones; they need no route to the internet"},
	{"routeTables", "", "route tables of those subnets, for the gateway endpoints of DynamoDB and S3"},
	{"gatewayEndpoints", "make", "`existing` where the VPC has both gateway endpoints already"},
	{"vpcCidr", "10.42.0.0/16", "addresses of a new VPC; choose them once"},
	{"zones", "", "three availability zones of a new VPC; otherwise a, b and c of the region, where it has them"},
	{"zoneName", "millrace.internal", "private DNS zone of the brokers' names"},
	{"controllers", "3", "KRaft controllers of each cluster: 1, 3 or 5"},
	{"brokerImageId", "", "a ready image of broker hosts; otherwise EC2 Image Builder makes one during the deployment"},
	{"imageSubnet", "", "a subnet with a way to the internet in which that image is made; otherwise a small VPC is made for it"},
	{"imageSecurityGroups", "", "security groups of that subnet's VPC that let the machine out to port 443; go with `imageSubnet`"},
	{"imageEdition", "", "any word; another one makes a new image, with what Amazon Linux has mended since"},
	{"reservedConcurrency", "", "executions set aside by function, such as `api=5,operations=3`; none otherwise (a new account has 10 in all)"},
	{"logRetentionDays", "30", "how long logs are kept: 7, 14, 30, 90, 180 or 365"},
	{"throttleRate", "50", "requests a second that the API takes in the long run"},
	{"throttleBurst", "100", "requests that it takes at once"},
	{"alarmEmail", "", "an address that alarms are mailed to, once it has confirmed"},
	{"build", "build", "directory that `make build` has filled"},
}

// contextOf gives what cdk.json and --context say, without the flags of the CDK itself.
func contextOf(app awscdk.App) map[string]string {
	all, _ := app.Node().GetAllContext(nil).(map[string]any)
	values := map[string]string{}
	for name, value := range all {
		if strings.ContainsAny(name, "@:") {
			continue
		}
		if text, ok := value.(string); ok {
			values[name] = text
		} else if text, err := json.Marshal(value); err == nil {
			values[name] = string(text)
		}
	}
	return values
}

var (
	deploymentPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,22}[a-z0-9]$`)
	regionPattern     = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	zonePattern       = regexp.MustCompile(`^[a-z]+$`)
	zoneNamePattern   = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
	retentions        = []string{"7", "14", "30", "90", "180", "365"}
)

// readParameters reads and checks all parameters. Its error says of each unfit one what to change.
func readParameters(given map[string]string, getenv func(string) string) (parameters, error) {
	var c checker
	value := map[string]string{}
	for _, k := range known {
		value[k.name] = k.fallback
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := value[name]; !ok {
			c.fault("there is no parameter %q; infra/README.md lists them", name)
			continue
		}
		if text := strings.TrimSpace(given[name]); text != "" {
			value[name] = text
		}
	}

	p := parameters{
		Deployment:          c.match("deployment", value["deployment"], deploymentPattern, "2 to 24 lower-case letters, digits and hyphens, a letter first"),
		Region:              readRegion(&c, value["region"], getenv),
		VPC:                 value["vpc"],
		Subnets:             list(value["subnets"]),
		RouteTables:         list(value["routeTables"]),
		OwnEndpoints:        c.oneOf("gatewayEndpoints", value["gatewayEndpoints"], "make", "existing") == "make",
		VPCCIDR:             value["vpcCidr"],
		Zones:               list(value["zones"]),
		ZoneName:            c.match("zoneName", value["zoneName"], zoneNamePattern, "a domain name such as millrace.internal"),
		BrokerImageID:       value["brokerImageId"],
		ImageSubnet:         value["imageSubnet"],
		ImageSecurityGroups: list(value["imageSecurityGroups"]),
		ImageEdition:        value["imageEdition"],
		Build:               value["build"],
		AlarmEmail:          value["alarmEmail"],
	}
	p.Controllers, _ = strconv.Atoi(c.oneOf("controllers", value["controllers"], "1", "3", "5"))
	p.LogRetentionDays, _ = strconv.Atoi(c.oneOf("logRetentionDays", value["logRetentionDays"], retentions...))
	p.ThrottleRate = c.number("throttleRate", value["throttleRate"], 1, 10_000)
	p.ThrottleBurst = c.number("throttleBurst", value["throttleBurst"], 1, 5_000)
	p.Reserved = readReserved(&c, value["reservedConcurrency"])
	checkNetwork(&c, &p)
	c.id("brokerImageId", p.BrokerImageID, "ami-")
	c.id("imageSubnet", p.ImageSubnet, "subnet-")
	for _, g := range p.ImageSecurityGroups {
		c.id("imageSecurityGroups", g, "sg-")
	}
	if (p.ImageSubnet == "") != (len(p.ImageSecurityGroups) == 0) {
		c.fault("imageSubnet and imageSecurityGroups go together: Image Builder takes a subnet only with security groups of its VPC")
	}
	if p.BrokerImageID != "" && p.ImageSubnet != "" {
		c.fault("imageSubnet is where an image is made, and brokerImageId says that there is one: leave one of them out")
	}
	if p.AlarmEmail != "" {
		if _, err := mail.ParseAddress(p.AlarmEmail); err != nil {
			c.fault("alarmEmail is %q, which is no address; give one such as oncall@example.com", p.AlarmEmail)
		}
	}
	checkBuild(&c, p)
	return p, errors.Join(c.faults...)
}

// readRegion gives the region by name, as TableV2 needs it. CDK_DEFAULT_REGION is what the cdk command found in the profile.
func readRegion(c *checker, region string, getenv func(string) string) string {
	for _, variable := range []string{"AWS_REGION", "CDK_DEFAULT_REGION"} {
		if region == "" {
			region = getenv(variable)
		}
	}
	if region == "" {
		region = "us-east-1"
	}
	c.match("region", region, regionPattern, "a name such as eu-central-1")
	if strings.HasPrefix(region, "cn-") || strings.HasPrefix(region, "us-gov-") {
		c.fault("region is %s; Millrace knows the resource names of AWS's public regions only: deploy to one of those", region)
	}
	return region
}

func readReserved(c *checker, text string) map[string]int {
	reserved := map[string]int{}
	for _, entry := range list(text) {
		name, count, _ := strings.Cut(entry, "=")
		n, err := strconv.Atoi(count)
		if !slices.ContainsFunc(functionTable, func(f functionRow) bool { return f.called() == name }) || err != nil || n < 1 {
			c.fault("reservedConcurrency has %q; write it as function=number, such as api=5,operations=3, with functions of: %s",
				entry, strings.Join(functionNames(), ", "))
			continue
		}
		reserved[name] = n
	}
	return reserved
}

// checkNetwork holds the VPC's parameters against each other: a wrong one would otherwise show as a cluster that can't be
// created, long after the deployment.
func checkNetwork(c *checker, p *parameters) {
	if p.VPC == "" {
		if len(p.Subnets)+len(p.RouteTables) > 0 || !p.OwnEndpoints {
			c.fault("subnets, routeTables and gatewayEndpoints=existing belong to an existing VPC: name it by vpc=vpc-…, or leave them out for a new VPC")
		}
		checkNewVPC(c, p)
		return
	}
	c.id("vpc", p.VPC, "vpc-")
	for _, s := range p.Subnets {
		c.id("subnets", s, "subnet-")
	}
	for _, r := range p.RouteTables {
		c.id("routeTables", r, "rtb-")
	}
	switch n := len(distinct(p.Subnets)); {
	case n < len(p.Subnets):
		c.fault("subnets names one subnet twice; brokers spread over zones, so give one subnet of each zone")
	case n == 0:
		c.fault("vpc is %s and subnets is missing: name two or three subnets of it, each in another zone, such as subnets=subnet-1…,subnet-2…,subnet-3…", p.VPC)
	case n < 2 || n > 3:
		c.fault("subnets names %d subnets; MSK's clusters spread over two or three zones: name that many, each in another zone", n)
	}
	if p.OwnEndpoints && len(p.RouteTables) == 0 {
		c.fault("hosts reach the control plane through gateway endpoints only: name the route tables of the subnets by routeTables=rtb-…, " +
			"or say gatewayEndpoints=existing if the VPC has endpoints for DynamoDB and S3")
	}
	if !p.OwnEndpoints && len(p.RouteTables) > 0 {
		c.fault("routeTables is where gateway endpoints would be made, and gatewayEndpoints=existing says that there are some: leave one of them out")
	}
	if len(p.Zones) > 0 {
		c.fault("zones belongs to a new VPC; the zones of %s are those of its subnets: leave it out", p.VPC)
	}
}

// unusualZones are the zones of regions in which an account does not see a, b and c.
var unusualZones = map[string]string{"ap-northeast-1": "a,c,d", "ca-central-1": "a,b,d"}

func checkNewVPC(c *checker, p *parameters) {
	prefix, err := netip.ParsePrefix(p.VPCCIDR)
	if err != nil || prefix != prefix.Masked() || !prefix.Addr().Is4() || !prefix.Addr().IsPrivate() || prefix.Bits() < 16 || prefix.Bits() > 24 {
		c.fault("vpcCidr is %q; give a private IPv4 range between /16 and /24, such as 10.42.0.0/16", p.VPCCIDR)
	}
	if len(p.Zones) == 0 {
		letters, ok := unusualZones[p.Region]
		if !ok {
			letters = "a,b,c"
		}
		if p.Region == "us-west-1" {
			c.fault("an account sees two zones of us-west-1 and a new VPC takes three: deploy elsewhere, or give an existing VPC by vpc=vpc-…")
		}
		for _, letter := range list(letters) {
			p.Zones = append(p.Zones, p.Region+letter)
		}
	}
	for _, z := range p.Zones {
		if suffix, ok := strings.CutPrefix(z, p.Region); !ok || !zonePattern.MatchString(suffix) {
			c.fault("zones has %q, which is no zone of %s; give names such as %sa", z, p.Region, p.Region)
		}
	}
	if len(p.Zones) != 3 || len(distinct(p.Zones)) != 3 {
		c.fault("zones is %q; a new VPC has subnets in three different zones: name three", strings.Join(p.Zones, ","))
	}
}

// checkBuild looks for what the template refers to, so that a forgotten build does not end in a stack trace of the CDK's.
func checkBuild(c *checker, p parameters) {
	var missing []string
	for _, file := range assets(p) {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	if len(missing) > 0 {
		c.fault("%s missing: run `make build` first", strings.Join(missing, ", "))
	}
}

// assets are the files of the build directory that the deployment takes along.
func assets(p parameters) []string {
	var files []string
	for _, f := range functionTable {
		if f.name == "" {
			files = append(files, filepath.Join(p.Build, f.folder, "bootstrap"))
		}
	}
	if p.BrokerImageID == "" {
		for _, name := range []string{"broker-agent", "broker-image", "kafka"} {
			files = append(files, filepath.Join(p.Build, "image", name))
		}
	}
	return files
}

// checker collects what is wrong, so that all of it is told at once.
type checker struct{ faults []error }

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("  "+format, args...))
}

func (c *checker) match(name, value string, pattern *regexp.Regexp, shape string) string {
	if !pattern.MatchString(value) {
		c.fault("%s is %q; give %s", name, value, shape)
	}
	return value
}

func (c *checker) oneOf(name, value string, choices ...string) string {
	if !slices.Contains(choices, value) {
		c.fault("%s is %q; give one of: %s", name, value, strings.Join(choices, ", "))
	}
	return value
}

func (c *checker) number(name, value string, low, high int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		c.fault("%s is %q; give a number from %d to %d", name, value, low, high)
	}
	return n
}

// id checks the shape of an optional id of AWS's.
func (c *checker) id(name, value, prefix string) {
	if value != "" && !regexp.MustCompile(`^`+prefix+`([0-9a-f]{8}|[0-9a-f]{17})$`).MatchString(value) {
		c.fault("%s is %q; give an id such as %s0123456789abcdef0", name, value, prefix)
	}
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func distinct(values []string) []string { return slices.Compact(slices.Sorted(slices.Values(values))) }

func join(values []string) string { return strings.Join(values, ",") }
