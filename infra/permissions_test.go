package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/shared/errand"
)

// granted is a statement of a role's policy in the template, in words.
type granted struct {
	id            string
	actions, on   []string
	when          string
	unconditional bool
	// forbids says that it is something that the role may not do.
	forbids bool
}

// statements gives what a role may do; the role is named as words name its ARN.
func (t template) statements(role string) []granted {
	return slices.DeleteFunc(t.policy(role), func(g granted) bool { return g.forbids })
}

// policy gives all that is said about what a role may do and what not.
func (t template) policy(role string) []granted {
	var found []granted
	for _, r := range t.of("AWS::IAM::Role") {
		if role != "${"+shortName(r.id)+".Arn}" {
			continue
		}
		policies, _ := r.Properties["Policies"].([]any)
		for _, policy := range policies {
			list, _ := at(policy, "PolicyDocument", "Statement").([]any)
			for _, s := range list {
				g := granted{id: words(at(s, "Sid")), actions: all(at(s, "Action")), on: all(at(s, "Resource")), unconditional: at(s, "Condition") == nil, forbids: at(s, "Effect") == "Deny"}
				if !g.unconditional {
					g.when = conditionWords(at(s, "Condition"))
				}
				found = append(found, g)
			}
		}
	}
	return found
}

func shortName(id string) string { return hashed.ReplaceAllString(id, "$1") }

// readOnly are the actions that change nothing and know no resources, or are refused without `*`.
var readOnly = []string{"ec2:Describe", "logs:Get", "logs:List", "logs:Describe", "dynamodb:ListStreams", "xray:GetSampling"}

// withoutResources are the actions that change something and that IAM knows no resources for, as AWS's service authorization
// reference says of each.
var withoutResources = []string{
	"xray:PutTraceSegments", "xray:PutTelemetryRecords",
	"logs:CreateLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:PutResourcePolicy",
}

func TestPermissions_NeverAllowEverything(t *testing.T) {
	for _, made := range []template{standard(t), existing(t)} {
		for _, role := range made.of("AWS::IAM::Role") {
			for _, s := range made.statements("${" + shortName(role.id) + ".Arn}") {
				for _, action := range s.actions {
					if strings.Contains(action, "*") {
						t.Errorf("%s/%s allows %s", role.id, s.id, action)
					}
					mayBeAnything := slices.Contains(s.on, "*") && !slices.ContainsFunc(readOnly, func(p string) bool { return strings.HasPrefix(action, p) })
					if mayBeAnything && !slices.Contains(withoutResources, action) {
						t.Errorf("%s/%s allows %s on anything", role.id, s.id, action)
					}
				}
				for _, on := range s.on {
					// Whatever is named by a pattern across the account is bound to the deployment by a condition.
					if strings.HasPrefix(on, "arn:aws:ec2:") && strings.HasSuffix(on, "/*") && s.unconditional {
						t.Errorf("%s/%s may %v on every %s", role.id, s.id, s.actions, on)
					}
				}
			}
		}
		if policies := append(made.of("AWS::IAM::Policy"), made.of("AWS::IAM::ManagedPolicy")...); len(policies) > 0 {
			t.Errorf("%s is attached by the CDK and is in no table of ours", policies[0].id)
		}
	}
}

func TestFunctions_InvokeNoOtherButTheAPITheOneThatLooksAfterTopics(t *testing.T) {
	made := standard(t)
	for _, row := range functionTable {
		var invoked []string
		for _, s := range made.statements(words(function(t, made, row.called()).Properties["Role"])) {
			if slices.ContainsFunc(s.actions, func(action string) bool { return strings.HasPrefix(action, "lambda:") }) {
				invoked = append(invoked, s.on...)
			}
		}
		var want []string
		if row.folder == "api" {
			topicadmin := function(t, made, "topicadmin").Properties
			want = []string{"arn:aws:lambda:us-east-1:${AccountId}:function:" + words(topicadmin["FunctionName"])}
		}
		if !slices.Equal(invoked, want) {
			t.Errorf("%s may invoke %q, want %q", row.called(), invoked, want)
		}
	}
	prefix := words(at(function(t, made, "api").Properties, "Environment", "Variables", "MILLRACE_FUNCTION_PREFIX"))
	if name := words(function(t, made, errand.Function).Properties["FunctionName"]); name != prefix+errand.Function {
		t.Errorf("the API calls %s, and it is called %s", prefix+errand.Function, name)
	}
}

// What an adapter calls and Lambda needs as well has to be granted to a function that calls it.
func TestFunctions_HaveNoUseOfWhatLambdaNeedsToConnectThem(t *testing.T) {
	made := standard(t)
	for _, row := range functionTable {
		if !row.inside {
			continue
		}
		f := function(t, made, row.called())
		var allowed, forbidden []string
		for _, s := range made.policy(words(f.Properties["Role"])) {
			for _, action := range s.actions {
				switch {
				case !strings.HasPrefix(action, "ec2:"):
				case s.forbids && s.when == "lambda:SourceFunctionArn = arn:aws:lambda:us-east-1:${AccountId}:function:millrace-"+row.called():
					forbidden = append(forbidden, action)
				default:
					allowed = append(allowed, action)
				}
			}
		}
		slices.Sort(allowed)
		slices.Sort(forbidden)
		if len(allowed) == 0 || !slices.Equal(allowed, forbidden) {
			t.Errorf("Lambda may %v for %s, which itself may not %v", allowed, row.called(), forbidden)
		}
	}
}

func TestHosts_ReadTheirOwnSpecAndWriteTheirOwnBeatAndNothingElse(t *testing.T) {
	var got []string
	for _, s := range standard(t).statements("${HostRole.Arn}") {
		got = append(got, fmt.Sprint(s.actions, " on ", s.on, " if ", s.when))
	}
	want := []string{
		"[dynamodb:GetItem] on [${Table.Arn}] if dynamodb:LeadingKeys = spec#${aws:userid}",
		"[dynamodb:UpdateItem] on [${Table.Arn}] if dynamodb:LeadingKeys = beat#${aws:userid}",
		"[kms:Decrypt] on [${Key.Arn}] if kms:ViaService = dynamodb.us-east-1.amazonaws.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("hosts may:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// conditionWords writes conditions as a reader would.
func conditionWords(value any) string {
	operators, _ := value.(map[string]any)
	var texts []string
	for _, keys := range operators {
		for key, wanted := range keys.(map[string]any) {
			texts = append(texts, key+" = "+strings.Join(all(wanted), " or "))
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, " and ")
}

// assetHash is the part of a name that changes with every byte of what is deployed.
var assetHash = regexp.MustCompile(`[0-9a-f]{64}`)

var sdkCall = regexp.MustCompile(`&(dynamodb|ec2|kms|lambda|route53|secretsmanager|sfn|eventbridge|cloudwatch)\.([A-Z][A-Za-z0-9]*)Input\{`)

// Calls that are authorised under other names than their own.
var (
	services   = map[string]string{"sfn": "states", "eventbridge": "events"}
	authorised = map[string][]string{
		"dynamodb:TransactWriteItems": {"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"},
		"lambda:Invoke":               {"lambda:InvokeFunction"},
	}
	notByOurs = []string{"ec2:CreateTags", "iam:PassRole", "secretsmanager:TagResource"} // asked for by the calls above them
	byLambda  = []string{"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams", "sqs:SendMessage"}
	// Lambda's own, to connect a function to the VPC; the function itself may not.
	byLambdaInside = []string{
		"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
	}
	byAnyLambda = []string{"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
)

// An adapter that learns a call needs a permission with it, and one that forgets a call leaves none behind.
func TestFunctions_MayCallWhatTheAdaptersCallAndNothingElse(t *testing.T) {
	called := map[string]bool{}
	err := filepath.WalkDir("shared/platform/aws", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "awstest") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range sdkCall.FindAllStringSubmatch(string(text), -1) {
			service := match[1]
			if other, ok := services[service]; ok {
				service = other
			}
			action := service + ":" + match[2]
			if under, ok := authorised[action]; ok {
				for _, a := range under {
					called[a] = true
				}
				continue
			}
			called[action] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, f := range standard(t).of("AWS::Lambda::Function") {
		for _, s := range standard(t).statements(words(f.Properties["Role"])) {
			if strings.Contains(s.when, "kms:ViaService") {
				continue // what other services do with the key in the function's name
			}
			for _, action := range s.actions {
				allowed[action] = true
				if !called[action] && !slices.Contains(slices.Concat(notByOurs, byLambda, byLambdaInside, byAnyLambda), action) {
					t.Errorf("%s may call %s, and no adapter does", f.id, action)
				}
			}
		}
	}
	for action := range called {
		if !allowed[action] {
			t.Errorf("an adapter calls %s, and no function may", action)
		}
	}
}

func TestReadme_ListsEveryParameterAndEveryPermission(t *testing.T) {
	const file = "infra/README.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"parameters": parameterTable(), "permissions": permissionTable(standard(t))} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		before, rest, ok := strings.Cut(want, begin)
		_, after, found := strings.Cut(rest, end)
		if !ok || !found {
			t.Fatalf("%s has no place for its table of %s", file, name)
		}
		want = before + begin + table + end + after
	}
	if want == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what is deployed; `go test ./infra -run Readme -update` writes it, and the diff is the review", file)
}

func parameterTable() string {
	var b strings.Builder
	b.WriteString("| parameter | otherwise | what it says |\n| --- | --- | --- |\n")
	for _, k := range known {
		fallback := k.fallback
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, fallback, k.meaning)
	}
	return b.String()
}

func permissionTable(made template) string {
	var b strings.Builder
	b.WriteString("| who | may | on | only where | why |\n| --- | --- | --- | --- | --- |\n")
	for _, role := range made.of("AWS::IAM::Role") {
		who := strings.TrimSuffix(shortName(role.id), "Role")
		row := func(may, on []string, when, why string) {
			cell := func(texts []string) string { return strings.Join(texts, "<br>") }
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", who, cell(may), cell(on), when, why)
			who = ""
		}
		managed, _ := role.Properties["ManagedPolicyArns"].([]any)
		for _, policy := range managed {
			name := words(policy)
			row([]string{name[strings.LastIndex(name, "/")+1:]}, nil, "", "AWS's own policy for this purpose")
		}
		for _, s := range made.policy("${" + shortName(role.id) + ".Arn}") {
			var on []string
			for _, arn := range s.on {
				on = append(on, "`"+strings.NewReplacer("arn:aws:", "", "us-east-1:${AccountId}:", "").Replace(assetHash.ReplaceAllString(arn, "HASH"))+"`")
			}
			when := s.when
			if when != "" {
				when = "`" + when + "`"
			}
			actions := s.actions
			if s.forbids {
				actions = append([]string{"**not**"}, actions...)
			}
			row(actions, on, when, made.whys[s.id])
		}
	}
	return b.String()
}
