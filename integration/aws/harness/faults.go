package harness

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/millrace/millrace/integration/awsrules"
)

// EndInstance ends an instance as EC2 does when its hardware fails, or somebody in the console: nobody of ours is asked.
func (d *Deployment) EndInstance(id string) {
	d.t.Helper()
	_, err := ec2.NewFromConfig(d.rules.Config).TerminateInstances(d.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		d.t.Fatalf("end %s: %v", id, err)
	}
}

// StopInstance powers an instance off, as somebody does by hand.
func (d *Deployment) StopInstance(id string) {
	d.t.Helper()
	_, err := ec2.NewFromConfig(d.rules.Config).StopInstances(d.ctx, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		d.t.Fatalf("stop %s: %v", id, err)
	}
}

// FreezeHost holds everything that runs on a host: it says nothing any more, and EC2 finds nothing wrong with it.
func (d *Deployment) FreezeHost(instance string) {
	d.t.Helper()
	one := d.hosts.find(instance)
	if one == nil {
		d.t.Fatalf("no machine runs for %s", instance)
	}
	frozen := 0
	for _, pid := range one.processes() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err == nil {
			frozen++
		}
	}
	if frozen < 2 {
		d.t.Fatalf("%d processes of %s are frozen", frozen, instance)
	}
}

// StateOf is an instance's state in EC2's words.
func (d *Deployment) StateOf(instance string) string { return d.rules.State(instance) }

// Home is what a node lives on at the moment, by EC2's account.
type Home struct{ Instance, Interface, IP, Volume string }

func (h Home) String() string {
	return fmt.Sprintf("%s with %s (%s) and %s", h.Instance, h.Interface, h.IP, h.Volume)
}

// HomeOf is what a node lives on; ok is false while no instance of it runs.
func (d *Deployment) HomeOf(node int) (home Home, ok bool) {
	d.t.Helper()
	client := ec2.NewFromConfig(d.rules.Config)
	mine := []ec2types.Filter{{Name: aws.String("tag:millrace:node"), Values: []string{strconv.Itoa(node)}}}
	instances, err := client.DescribeInstances(d.ctx, &ec2.DescribeInstancesInput{Filters: mine})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, r := range instances.Reservations {
		for _, i := range r.Instances {
			if i.State.Name == ec2types.InstanceStateNameRunning {
				home.Instance = aws.ToString(i.InstanceId)
			}
		}
	}
	interfaces, err := client.DescribeNetworkInterfaces(d.ctx, &ec2.DescribeNetworkInterfacesInput{Filters: mine})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, i := range interfaces.NetworkInterfaces {
		if i.Attachment != nil && aws.ToString(i.Attachment.InstanceId) == home.Instance {
			home.Interface, home.IP = aws.ToString(i.NetworkInterfaceId), aws.ToString(i.PrivateIpAddress)
		}
	}
	volumes, err := client.DescribeVolumes(d.ctx, &ec2.DescribeVolumesInput{Filters: mine})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		for _, a := range v.Attachments {
			if aws.ToString(a.InstanceId) == home.Instance && aws.ToString(a.Device) == awsrules.FirstDevice {
				home.Volume = aws.ToString(v.VolumeId)
			}
		}
	}
	return home, home.Instance != "" && home.Interface != "" && home.Volume != ""
}

// CallsOf are the calls of EC2 so far that change something and name one of the ids, in order: ec2:TerminateInstances.
func (d *Deployment) CallsOf(ids ...string) []string {
	var made []string
	for _, c := range d.rules.Calls() {
		if c.Service != "ec2" || strings.HasPrefix(c.Action, "Describe") {
			continue
		}
		for _, value := range c.Parameters {
			for _, id := range ids {
				if value == id {
					made = append(made, c.Name())
				}
			}
		}
	}
	return made
}
