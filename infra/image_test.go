package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestImage_CallsTheAgentByCommandsThatItHas(t *testing.T) {
	usage, err := os.ReadFile("cmd/broker-agent/main.go")
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob(filepath.Join(imageFiles, "*.service"))
	if err != nil || len(units) != 3 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		start := regexp.MustCompile(`(?m)^ExecStart=/opt/millrace/(broker-agent .+)$`).FindSubmatch(text)
		if start == nil || !strings.Contains(string(usage), "\n  "+string(start[1])+"\n") {
			t.Errorf("%s starts %s, which is none of the examples of broker-agent", unit, start)
		}
	}
}

func TestImage_IsMadeByAScriptThatBashReadsAndAComponentThatFits(t *testing.T) {
	if output, err := exec.CommandContext(t.Context(), "bash", "-n", filepath.Join(imageFiles, "install.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if size := len(imageComponent); size > 16_000 {
		t.Errorf("the component is %d characters long; Image Builder takes 16000", size)
	}
}

// S3Download makes no directories: without one the first deployment would end in a failed image.
func TestImage_HasADirectoryBeforeAnythingIsFetchedIntoIt(t *testing.T) {
	made, fetched := strings.Index(imageComponent, "install --directory --mode 0755 /tmp/millrace\n"), strings.Index(imageComponent, "action: S3Download")
	if made < 0 || fetched < made {
		t.Errorf("the directory is made at %d and used at %d of the component", made, fetched)
	}
	for _, m := range regexp.MustCompile(`destination: (\S+)/[^/]+\n`).FindAllStringSubmatch(imageComponent, -1) {
		if m[1] != "/tmp/millrace" {
			t.Errorf("it fetches into %s, which nothing makes", m[1])
		}
	}
}

func TestImage_NeedsNoInventoryOfItsMachine(t *testing.T) {
	if on := standard(t).of("AWS::ImageBuilder::Image")[0].Properties["EnhancedImageMetadataEnabled"]; on != false {
		t.Errorf("it is %v: where an account has an inventory of all machines, the image would fail", on)
	}
}

func TestImage_IsMadeOnceTheWayToTheInternetIsThere(t *testing.T) {
	made := standard(t)
	var waits []string
	for _, id := range made.of("AWS::ImageBuilder::Image")[0].DependsOn {
		waits = append(waits, made.Resources[id].Type)
	}
	for _, way := range []string{"AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCGatewayAttachment"} {
		if !slices.Contains(waits, way) {
			t.Errorf("the image does not wait for %s; it waits for %v", way, waits)
		}
	}
}

func TestImage_IsMadeInASubnetOfYoursWithYourSecurityGroups(t *testing.T) {
	made, _ := synthesise(t, map[string]string{"imageSubnet": "subnet-01234567", "imageSecurityGroups": "sg-01234567,sg-89abcdef"}, nil)
	workshop := made.of("AWS::ImageBuilder::InfrastructureConfiguration")[0].Properties
	if words(workshop["SubnetId"]) != "subnet-01234567" || words(workshop["SecurityGroupIds"]) != `["sg-01234567","sg-89abcdef"]` {
		t.Errorf("it is made in %v with %v", workshop["SubnetId"], workshop["SecurityGroupIds"])
	}
}
