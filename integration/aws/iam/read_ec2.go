package iam

import (
	"fmt"
	"slices"
	"strings"
)

// ec2 knows the requests to EC2 as the service authorization reference lists them ("Actions, resources, and condition keys
// for Amazon EC2"): which resources each is checked against, and that tags on what is made need ec2:CreateTags too.
func (r Reader) ec2(q Request) ([]Check, error) {
	f := q.form
	check := func(kind, id string) Check { return r.ec2Check(q, kind, id) }
	switch q.Action {
	case "CreateNetworkInterface":
		checks := []Check{check("network-interface", "*"), check("subnet", f.Get("SubnetId"))}
		for _, id := range q.list("SecurityGroupId") {
			checks = append(checks, check("security-group", id))
		}
		return append(checks, r.tagsOnCreate(q)...), nil
	case "DeleteNetworkInterface":
		return []Check{check("network-interface", f.Get("NetworkInterfaceId"))}, nil
	case "ModifyNetworkInterfaceAttribute":
		checks := []Check{check("network-interface", f.Get("NetworkInterfaceId"))}
		for _, id := range q.list("SecurityGroupId") {
			checks = append(checks, check("security-group", id))
		}
		return checks, nil
	case "CreateVolume":
		checks := append([]Check{check("volume", "*")}, r.tagsOnCreate(q)...)
		return append(checks, r.through("ec2", r.keyARN(f.Get("KmsKeyId")), "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey")...), nil
	case "DeleteVolume", "ModifyVolume":
		return []Check{check("volume", f.Get("VolumeId"))}, nil
	case "AttachVolume":
		checks := []Check{check("volume", f.Get("VolumeId")), check("instance", f.Get("InstanceId"))}
		return append(checks, r.through("ec2", r.World.KeyOf(f.Get("VolumeId")), "kms:CreateGrant", "kms:Decrypt")...), nil
	case "DetachVolume":
		checks := []Check{check("volume", f.Get("VolumeId"))}
		if id := f.Get("InstanceId"); id != "" {
			checks = append(checks, check("instance", id))
		}
		return checks, nil
	case "RunInstances":
		return r.runInstances(q), nil
	case "TerminateInstances", "StopInstances", "StartInstances", "RebootInstances":
		var checks []Check
		for _, id := range q.list("InstanceId") {
			checks = append(checks, check("instance", id))
		}
		return checks, nil
	case "CreateTags", "DeleteTags":
		var checks []Check
		for _, id := range q.list("ResourceId") {
			c := check(kindOf(id), id)
			q.requestTags(&c, "Tag")
			checks = append(checks, c)
		}
		return checks, nil
	}
	if strings.HasPrefix(q.Action, "Describe") {
		return []Check{{Action: "ec2:" + q.Action, Resource: "*"}}, nil
	}
	return nil, unknown(q)
}

// ec2Check is a check of one resource, with its tags where it exists and those it is made with where it does not.
func (r Reader) ec2Check(q Request, kind, id string) Check {
	resource := r.arn("ec2", kind+"/"+id)
	if kind == "image" {
		resource = fmt.Sprintf("arn:aws:ec2:%s::image/%s", r.Region, id)
	}
	c := Check{Action: "ec2:" + q.Action, Resource: resource, Keys: map[string][]string{}}
	if id != "*" {
		for name, value := range r.World.Tags(id) {
			c.Keys["aws:resourcetag/"+name] = []string{value}
			c.Keys["ec2:resourcetag/"+name] = []string{value}
		}
	} else {
		q.requestTags(&c, q.specification(kind))
	}
	set := func(key, parameter string) {
		if v := q.form.Get(parameter); v != "" {
			c.Keys[key] = []string{v}
		}
	}
	switch kind {
	case "volume":
		set("ec2:encrypted", "Encrypted")
		set("ec2:volumetype", "VolumeType")
		set("ec2:volumesize", "Size")
	case "instance":
		set("ec2:instancetype", "InstanceType")
	case "subnet", "security-group", "network-interface":
		if vpc := r.World.VPC(r.whereabouts(q, id)); vpc != "" {
			c.Keys["ec2:vpc"] = []string{vpc}
		}
	}
	return c
}

// whereabouts is what tells in which VPC a resource is: itself, or the subnet that it is being made in.
func (r Reader) whereabouts(q Request, id string) string {
	if id == "*" {
		return q.form.Get("SubnetId")
	}
	return id
}

// specification is the prefix of the tags for a kind of resource, such as TagSpecification.2.Tag; empty when there are none.
func (q Request) specification(kind string) string {
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("TagSpecification.%d.", i)
		switch q.form.Get(prefix + "ResourceType") {
		case "":
			return ""
		case kind:
			return prefix + "Tag"
		}
	}
}

// requestTags notes the tags that a request carries under a prefix.
func (q Request) requestTags(c *Check, prefix string) {
	for i := 1; prefix != ""; i++ {
		key := fmt.Sprintf("%s.%d.", prefix, i)
		name := q.form.Get(key + "Key")
		if name == "" {
			return
		}
		c.Keys["aws:requesttag/"+name] = []string{q.form.Get(key + "Value")}
		c.Keys["aws:tagkeys"] = append(c.Keys["aws:tagkeys"], name)
	}
}

// tagsOnCreate are the permissions to tag what a request makes.
func (r Reader) tagsOnCreate(q Request) []Check {
	var checks []Check
	for i := 1; ; i++ {
		prefix := fmt.Sprintf("TagSpecification.%d.", i)
		kind := q.form.Get(prefix + "ResourceType")
		if kind == "" {
			return checks
		}
		c := Check{Action: "ec2:CreateTags", Resource: r.arn("ec2", kind+"/*"), Keys: map[string][]string{
			"ec2:createaction": {q.Action},
		}}
		q.requestTags(&c, prefix+"Tag")
		checks = append(checks, c)
	}
}

// runInstances is checked against everything that takes part in a launch, whether the request names it or the launch
// template does. Who launches with an instance profile hands over a role, and has to be allowed to.
func (r Reader) runInstances(q Request) []Check {
	f := q.form
	template := f.Get("LaunchTemplate.LaunchTemplateId")
	image, role := r.World.LaunchTemplate(template)
	templates := f.Get("ImageId") == ""
	if !templates {
		image = f.Get("ImageId")
	}
	launch := []Check{
		r.ec2Check(q, "instance", "*"), r.ec2Check(q, "volume", "*"), r.ec2Check(q, "image", image),
	}
	launch[2].Keys["ec2:islaunchtemplateresource"] = []string{fmt.Sprint(templates)}
	if template != "" {
		launch = append(launch, r.ec2Check(q, "launch-template", template))
	}
	var subnets, groups []string
	for i := 1; ; i++ {
		id := f.Get(fmt.Sprintf("NetworkInterface.%d.NetworkInterfaceId", i))
		if id == "" {
			break
		}
		launch = append(launch, r.ec2Check(q, "network-interface", id))
		subnet, with := r.World.NetworkInterface(id)
		subnets, groups = append(subnets, subnet), append(groups, with...)
	}
	slices.Sort(subnets)
	slices.Sort(groups)
	for _, id := range slices.Compact(subnets) {
		launch = append(launch, r.ec2Check(q, "subnet", id))
	}
	for _, id := range slices.Compact(groups) {
		launch = append(launch, r.ec2Check(q, "security-group", id))
	}
	for i := range launch {
		if template != "" {
			launch[i].Keys["ec2:launchtemplate"] = []string{r.arn("ec2", "launch-template/"+template)}
		}
	}
	checks := append(launch, r.tagsOnCreate(q)...)
	if role != "" {
		checks = append(checks, Check{Action: "iam:PassRole", Resource: role, Keys: map[string][]string{
			"iam:passedtoservice": {"ec2.amazonaws.com"},
		}})
	}
	return checks
}

// list gives the values of a numbered parameter.
func (q Request) list(parameter string) []string {
	var values []string
	for i := 1; ; i++ {
		v := q.form.Get(fmt.Sprintf("%s.%d", parameter, i))
		if v == "" {
			return values
		}
		values = append(values, v)
	}
}

// kindOf is the kind of resource that an id of EC2 names.
func kindOf(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	kinds := map[string]string{
		"i": "instance", "vol": "volume", "eni": "network-interface", "sg": "security-group", "lt": "launch-template",
		"subnet": "subnet", "vpc": "vpc", "ami": "image",
	}
	return kinds[prefix]
}

// keyARN makes an ARN of what names a key.
func (r Reader) keyARN(key string) string {
	if key == "" || strings.HasPrefix(key, "arn:") {
		return key
	}
	return r.arn("kms", "key/"+key)
}
