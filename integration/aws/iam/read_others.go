package iam

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// dynamodb knows the requests to tables and their streams. A transaction needs what its parts need. The partition keys of
// all items are the leading keys of conditions. A table under a customer key needs the key as well.
func (r Reader) dynamodb(q Request) ([]Check, error) {
	table := func(name string) string { return r.arn("dynamodb", "table/"+name) }
	one := func(action string, keys ...string) []Check {
		return append(
			[]Check{{Action: "dynamodb:" + action, Resource: table(q.string("TableName")), Keys: map[string][]string{"dynamodb:leadingkeys": keys}}},
			r.through("dynamodb", r.World.KeyOf("table"), "kms:Decrypt")...)
	}
	switch q.Action {
	case "GetItem", "UpdateItem", "DeleteItem":
		return one(q.Action, partitionOf(q.body["Key"])), nil
	case "PutItem":
		return one(q.Action, partitionOf(q.body["Item"])), nil
	case "Query":
		return one(q.Action, queriedPartition(q)), nil
	case "Scan", "DescribeTable", "DescribeTimeToLive":
		return one(q.Action), nil
	case "TransactWriteItems", "TransactGetItems":
		items, _ := q.body["TransactItems"].([]any)
		var checks []Check
		for _, item := range items {
			parts, _ := item.(map[string]any)
			for kind, part := range parts {
				p, _ := part.(map[string]any)
				key := p["Key"]
				if key == nil {
					key = p["Item"]
				}
				action := map[string]string{"ConditionCheck": "ConditionCheckItem"}[kind]
				if action == "" {
					action = kind + "Item"
				}
				checks = append(checks, Check{Action: "dynamodb:" + action, Resource: table(str(p["TableName"])), Keys: map[string][]string{
					"dynamodb:leadingkeys": {partitionOf(key)},
				}})
			}
		}
		return append(checks, r.through("dynamodb", r.World.KeyOf("table"), "kms:Decrypt")...), nil
	case "DescribeStream", "GetShardIterator":
		return []Check{{Action: "dynamodb:" + q.Action, Resource: q.string("StreamArn")}}, nil
	case "GetRecords":
		stream, _, _ := strings.Cut(q.string("ShardIterator"), "|")
		return []Check{{Action: "dynamodb:" + q.Action, Resource: stream}}, nil
	case "ListStreams":
		return []Check{{Action: "dynamodb:" + q.Action, Resource: "*"}}, nil
	}
	return nil, unknown(q)
}

// partitionOf reads the partition key of an item or a key.
func partitionOf(item any) string {
	attributes, _ := item.(map[string]any)
	key, _ := attributes["pk"].(map[string]any)
	return str(key["S"])
}

var equals = regexp.MustCompile(`(#?\w+)\s*=\s*(:\w+)`)

// queriedPartition reads from a query's condition which partition it looks at.
func queriedPartition(q Request) string {
	names, _ := q.body["ExpressionAttributeNames"].(map[string]any)
	values, _ := q.body["ExpressionAttributeValues"].(map[string]any)
	for _, found := range equals.FindAllStringSubmatch(q.string("KeyConditionExpression"), -1) {
		if found[1] == "pk" || str(names[found[1]]) == "pk" {
			return partitionOf(map[string]any{"pk": values[found[2]]})
		}
	}
	return ""
}

// secrets knows Secrets Manager. The ARN of a secret ends in six characters that AWS makes up.
func (r Reader) secrets(q Request) ([]Check, error) {
	if q.Action == "ListSecrets" || q.Action == "GetRandomPassword" {
		return []Check{{Action: "secretsmanager:" + q.Action, Resource: "*"}}, nil
	}
	id := q.string("SecretId")
	if q.Action == "CreateSecret" {
		id = q.string("Name")
	}
	name := id
	if strings.HasPrefix(id, "arn:") {
		name = id[strings.Index(id, ":secret:")+len(":secret:"):]
		name = name[:max(0, len(name)-7)]
	}
	c := Check{
		Action: "secretsmanager:" + q.Action, Resource: r.arn("secretsmanager", "secret:"+name+"-AbCdEf"),
		Keys: map[string][]string{"secretsmanager:name": {name}},
	}
	key := r.World.KeyOf(id)
	if q.Action == "CreateSecret" {
		key = r.keyARN(q.string("KmsKeyId"))
		tags, _ := q.body["Tags"].([]any)
		for _, tag := range tags {
			t, _ := tag.(map[string]any)
			c.Keys["aws:requesttag/"+str(t["Key"])] = []string{str(t["Value"])}
			c.Keys["aws:tagkeys"] = append(c.Keys["aws:tagkeys"], str(t["Key"]))
		}
	}
	for tag, value := range r.World.Tags(id) {
		c.Keys["aws:resourcetag/"+tag] = []string{value}
		c.Keys["secretsmanager:resourcetag/"+tag] = []string{value}
	}
	checks := []Check{c}
	switch q.Action {
	case "CreateSecret", "PutSecretValue", "UpdateSecret":
		checks = append(checks, r.through("secretsmanager", key, "kms:GenerateDataKey", "kms:Decrypt")...)
	case "GetSecretValue":
		checks = append(checks, r.through("secretsmanager", key, "kms:Decrypt")...)
	}
	if q.Action == "CreateSecret" && len(c.Keys["aws:tagkeys"]) > 0 {
		tagging := c
		tagging.Action = "secretsmanager:TagResource"
		checks = append(checks, tagging)
	}
	return checks, nil
}

func (r Reader) kms(q Request) ([]Check, error) {
	key := q.string("KeyId")
	if key == "" { // a ciphertext knows its key, and there is one key here
		key = r.World.KeyOf("table")
	}
	c := Check{Action: "kms:" + q.Action, Resource: r.keyARN(key), Keys: map[string][]string{}}
	with, _ := q.body["EncryptionContext"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(with)) {
		c.Keys["kms:encryptioncontext:"+name] = []string{str(with[name])}
		c.Keys["kms:encryptioncontextkeys"] = append(c.Keys["kms:encryptioncontextkeys"], name)
	}
	return []Check{c}, nil
}

func (r Reader) states(q Request) ([]Check, error) {
	for _, member := range []string{"stateMachineArn", "executionArn"} {
		if arn := q.string(member); arn != "" {
			return []Check{{Action: "states:" + q.Action, Resource: arn}}, nil
		}
	}
	return nil, unknown(q)
}

func (r Reader) events(q Request) ([]Check, error) {
	if q.Action != "PutEvents" {
		return nil, unknown(q)
	}
	entries, _ := q.body["Entries"].([]any)
	var checks []Check
	for _, entry := range entries {
		e, _ := entry.(map[string]any)
		bus := str(e["EventBusName"])
		if bus == "" {
			bus = "default"
		}
		if !strings.HasPrefix(bus, "arn:") {
			bus = r.arn("events", "event-bus/"+bus)
		}
		checks = append(checks, Check{Action: "events:PutEvents", Resource: bus, Keys: map[string][]string{
			"events:source": {str(e["Source"])}, "events:detail-type": {str(e["DetailType"])},
		}})
	}
	return checks, nil
}

var invocationPath = regexp.MustCompile(`^/2015-03-31/functions/([^/]+)/invocations$`)

func lambdaAction(method, path string) string {
	if method == "POST" && invocationPath.MatchString(path) {
		return "Invoke"
	}
	return method + " " + path
}

// lambda knows how a function is invoked, by its name, which AWS authorises under another name than the call has.
func (r Reader) lambda(q Request) ([]Check, error) {
	name, is := InvokedFunction(q.path)
	if q.Action != "Invoke" || !is {
		return nil, unknown(q)
	}
	return []Check{{Action: "lambda:InvokeFunction", Resource: r.arn("lambda", "function:"+name)}}, nil
}

// InvokedFunction gives the name of the function that a request to Lambda invokes, by the request's path.
func InvokedFunction(path string) (name string, ok bool) {
	found := invocationPath.FindStringSubmatch(path)
	if found == nil {
		return "", false
	}
	name, err := url.PathUnescape(found[1])
	if before, after, isARN := strings.Cut(name, ":function:"); isARN && strings.HasPrefix(before, "arn:") {
		name = after
	}
	return name, err == nil
}

var zonePath = regexp.MustCompile(`^/2013-04-01/hostedzone/([^/]+)(/rrset/?)?$`)

func route53Action(method, path string) string {
	found := zonePath.FindStringSubmatch(path)
	switch {
	case found != nil && found[2] != "" && method == "POST":
		return "ChangeResourceRecordSets"
	case found != nil && found[2] != "":
		return "ListResourceRecordSets"
	case found != nil:
		return "GetHostedZone"
	case strings.HasPrefix(path, "/2013-04-01/change/"):
		return "GetChange"
	case strings.HasPrefix(path, "/2013-04-01/hostedzonesbyname"):
		return "ListHostedZonesByName"
	default:
		return method + " " + path
	}
}

func (r Reader) route53(q Request) ([]Check, error) {
	c := Check{Action: "route53:" + q.Action, Resource: "*", Keys: map[string][]string{}}
	switch q.Action {
	case "ChangeResourceRecordSets", "ListResourceRecordSets", "GetHostedZone":
		c.Resource = "arn:aws:route53:::hostedzone/" + zonePath.FindStringSubmatch(q.path)[1]
	case "GetChange":
		c.Resource = "arn:aws:route53:::change/" + q.path[strings.LastIndex(q.path, "/")+1:]
	case "ListHostedZonesByName":
	default:
		return nil, unknown(q)
	}
	if q.Action != "ChangeResourceRecordSets" {
		return []Check{c}, nil
	}
	var batch struct {
		Changes []struct {
			Action string
			Name   string `xml:"ResourceRecordSet>Name"`
			Type   string `xml:"ResourceRecordSet>Type"`
		} `xml:"ChangeBatch>Changes>Change"`
	}
	if err := xml.Unmarshal([]byte(q.text), &batch); err != nil {
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	add := func(key, value string) {
		c.Keys[key] = append(c.Keys[key], value)
	}
	for _, change := range batch.Changes {
		add("route53:changeresourcerecordsetsactions", change.Action)
		add("route53:changeresourcerecordsetsrecordtypes", change.Type)
		add("route53:changeresourcerecordsetsnormalizedrecordnames", strings.TrimSuffix(strings.ToLower(change.Name), "."))
	}
	return []Check{c}, nil
}
