package main

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/shared/awsfacts"
	"github.com/millrace/millrace/shared/bill"
	"github.com/millrace/millrace/shared/brokerconfig"
	"github.com/millrace/millrace/statemachines"
)

var update = flag.Bool("update", false, "write the README's tables")

// builds are stand-ins for the directory that make build fills: templates depend on the content of its files only by hashes.
var builds = map[string]string{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := func() int {
		defer jsii.Close()
		dir, err := os.MkdirTemp("", "infra-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := os.Chdir(".."); err != nil { // where make runs it
			panic(err)
		}
		for _, content := range []string{"before", "after"} {
			builds[content] = filepath.Join(dir, content)
			for _, file := range assets(parameters{Build: builds[content]}) {
				if filepath.Base(file) == "kafka" {
					file = filepath.Join(file, "4.1.2", "jars", "kafka.jar")
				}
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					panic(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
					panic(err)
				}
			}
		}
		return m.Run()
	}()
	os.Exit(code)
}

// template is a synthesised template, as far as it matters here.
type template struct {
	text      string
	whys      map[string]string
	Resources map[string]resource
	Outputs   map[string]any
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      []string
	DeletionPolicy string
	id             string
}

// synthesise makes the template for parameters. prepare may change the app before.
func synthesise(t *testing.T, given map[string]string, prepare func(awscdk.App, *deployment)) (template, string) {
	t.Helper()
	text, err := os.ReadFile("cdk.json")
	if err != nil {
		t.Fatal(err)
	}
	var settings struct{ Context map[string]any }
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	context := settings.Context
	context["@aws-cdk/core:annotationsInValidationReport"] = false // a finding would end the synthesis before it can be read
	dir := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &dir, Context: &context, AnalyticsReporting: jsii.Bool(false)})
	for name, value := range given {
		app.Node().SetContext(&name, value)
	}
	if given["build"] == "" {
		app.Node().SetContext(jsii.String("build"), builds["before"])
	}
	p, err := readParameters(contextOf(app), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	d := deploy(app, p)
	if prepare != nil {
		prepare(app, d)
	}
	defer func() { // the CDK panics where a template can't be deployed
		if r := recover(); r != nil {
			report, _ := os.ReadFile(filepath.Join(dir, "validation-report.json"))
			t.Fatalf("%v\n%s", r, report)
		}
	}()
	app.Synth(nil)
	text, err = os.ReadFile(filepath.Join(dir, p.Deployment+".template.json"))
	if err != nil {
		t.Fatal(err)
	}
	made := template{text: string(text), whys: d.whys}
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatal(err)
	}
	for id, r := range made.Resources {
		r.id = id
		made.Resources[id] = r
	}
	return made, dir
}

// once shares a template among tests: making one takes two seconds.
func once(given map[string]string) func(*testing.T) template {
	var made template
	var first sync.Once
	return func(t *testing.T) template {
		t.Helper()
		first.Do(func() { made, _ = synthesise(t, given, nil) })
		if made.text == "" {
			t.Fatal("there is no template; an earlier test says why")
		}
		return made
	}
}

var (
	// standard is what make deploy makes without parameters.
	standard = once(nil)
	// existing is a deployment into a VPC that is there, with an image that is there.
	existing = once(map[string]string{
		"vpc": "vpc-0123456789abcdef0", "routeTables": "rtb-0123456789abcdef0", "brokerImageId": "ami-0123456789abcdef0",
		"subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1,subnet-0123456789abcdef2",
	})
)

// of gives the resources of a type, in the order of their names.
func (t template) of(kind string) []resource {
	var found []resource
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		if t.Resources[id].Type == kind {
			found = append(found, t.Resources[id])
		}
	}
	return found
}

// at follows a path of members and indices; nil where it ends early.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			values, _ := value.([]any)
			if step >= len(values) {
				return nil
			}
			value = values[step]
		}
	}
	return value
}

var hashed = regexp.MustCompile(`^([A-Za-z0-9]+?)[0-9A-F]{8}$`)

// words writes a value with its references as a reader would: ${Table.Arn}.
func words(value any) string {
	name := func(id string) string { return hashed.ReplaceAllString(id, "$1") }
	switch v := value.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "${" + strings.TrimPrefix(name(ref), "AWS::") + "}"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "${" + name(words(get[0])) + "." + words(get[1]) + "}"
		}
		if parts, ok := v["Fn::Join"].([]any); ok {
			var text []string
			for _, part := range parts[1].([]any) {
				text = append(text, words(part))
			}
			return strings.Join(text, words(parts[0]))
		}
		if text, ok := v["Fn::Sub"].(string); ok {
			return text
		}
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// all is a value that may be one or a list, in words.
func all(value any) []string {
	list, ok := value.([]any)
	if !ok {
		if value == nil {
			return nil
		}
		list = []any{value}
	}
	var texts []string
	for _, v := range list {
		texts = append(texts, words(v))
	}
	return texts
}

func TestFunctions_AreDeployedEachWithARoleAndALogOfItsOwn(t *testing.T) {
	roles, groups := map[string]string{}, map[string]string{}
	for _, f := range standard(t).of("AWS::Lambda::Function") {
		name := words(f.Properties["FunctionName"])
		role, group := words(f.Properties["Role"]), words(at(f.Properties, "LoggingConfig", "LogGroup"))
		if roles[role] != "" || groups[group] != "" || group == "null" {
			t.Errorf("%s shares role %s or log group %s", name, role, group)
		}
		roles[role], groups[group] = name, name
		for property, want := range map[string]any{
			"Runtime": "provided.al2023", "Architectures": []any{"arm64"}, "TracingConfig": map[string]any{"Mode": "Active"},
		} {
			if !reflect.DeepEqual(f.Properties[property], want) {
				t.Errorf("%s: %s is %v, want %v", name, property, f.Properties[property], want)
			}
		}
		if limit := f.Properties["Timeout"].(float64); limit > 60 || name == "millrace-api" && limit > 29 {
			t.Errorf("%s may take %v s: its callers do not wait that long", name, limit)
		}
	}
	if len(roles) != len(functionTable) {
		t.Errorf("%d functions are deployed, the table has %d", len(roles), len(functionTable))
	}
	for _, g := range standard(t).of("AWS::Logs::LogGroup") {
		if g.Properties["RetentionInDays"] != 30.0 {
			t.Errorf("log group %s is kept for ever", g.id)
		}
	}
}

// What is built for Lambda is deployed, and what is deployed is built.
func TestFunctions_AreTheFoldersWithALambda(t *testing.T) {
	built, err := filepath.Glob("functions/*/lambda/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, file := range built {
		folders = append(folders, strings.Split(file, "/")[1])
	}
	var deployed []string
	for _, row := range functionTable {
		deployed = append(deployed, row.folder)
	}
	if deployed = distinct(deployed); !slices.Equal(folders, deployed) {
		t.Errorf("functions/*/lambda are %v, deployed are %v", folders, deployed)
	}
}

func TestFunctions_HaveEveryVariableThatTheyRead(t *testing.T) {
	read := map[string]bool{}
	for _, f := range standard(t).of("AWS::Lambda::Function") {
		variables, _ := at(f.Properties, "Environment", "Variables").(map[string]any)
		for name, value := range variables {
			read[name] = true
			if words(value) == "" {
				t.Errorf("%s: %s is empty", f.id, name)
			}
		}
		if variables["MILLRACE_DEPLOYMENT"] != "millrace" {
			t.Errorf("%s does not know the deployment: %v", f.id, variables)
		}
	}
	prefix := words(at(function(t, standard(t), "api").Properties, "Environment", "Variables", "MILLRACE_MACHINE_PREFIX"))
	if prefix != "arn:aws:states:us-east-1:${AccountId}:stateMachine:millrace-" {
		t.Errorf("the machines' prefix is %s", prefix)
	}
}

func function(t *testing.T, made template, folder string) resource {
	t.Helper()
	for _, f := range made.of("AWS::Lambda::Function") {
		if words(f.Properties["FunctionName"]) == "millrace-"+folder {
			return f
		}
	}
	t.Fatalf("there is no function %s", folder)
	return resource{}
}

// A function inside would need endpoints, which cost, or a NAT, which would be a way to the internet.
func TestFunctions_InsideTheVpcCallTheTableAndNothingElse(t *testing.T) {
	made := standard(t)
	own := []string{"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"} // by Lambda, from outside
	for _, row := range functionTable {
		f := function(t, made, row.called())
		if (f.Properties["VpcConfig"] != nil) != row.inside {
			t.Errorf("%s: inside is %v in the table and not so in the template", row.called(), row.inside)
		}
		if !row.inside {
			continue
		}
		for _, s := range made.statements(words(f.Properties["Role"])) {
			for _, action := range s.actions {
				switch {
				case strings.HasPrefix(action, "dynamodb:") && slices.Equal(s.on, []string{"${Table.Arn}"}):
				case action == "kms:Decrypt" && s.when == "kms:ViaService = dynamodb.us-east-1.amazonaws.com":
				case strings.HasPrefix(action, "ec2:"): // Lambda's, see TestFunctions_HaveNoUseOfWhatLambdaNeedsToConnectThem
				case slices.Contains(own, action):
				default:
					t.Errorf("%s is inside and may call %s on %v, which it can't reach", row.called(), action, s.on)
				}
			}
		}
	}
}

// Functions inside get to brokers where brokers talk among themselves, and nobody gets to functions.
func TestFunctions_InsideTheVpcReachTheBrokersOwnListenersAndTheTable(t *testing.T) {
	ports := []float64{brokerconfig.ReplicationPort, brokerconfig.ReplicationSecurePort}
	for name, made := range map[string]template{"new": standard(t), "existing": existing(t)} {
		for _, row := range functionTable {
			if !row.inside {
				continue
			}
			inside := function(t, made, row.called()).Properties["VpcConfig"]
			if groups := all(at(inside, "SecurityGroupIds")); !slices.Equal(groups, []string{"${FunctionGroup.GroupId}"}) {
				t.Errorf("%s: %s has the groups %v", name, row.called(), groups)
			}
			if subnets := all(at(inside, "SubnetIds")); len(subnets) != 3 {
				t.Errorf("%s: %s is in the subnets %v, want one in each zone", name, row.called(), subnets)
			}
		}
		for _, g := range made.of("AWS::EC2::SecurityGroup") {
			if g.id != "FunctionGroup" {
				continue
			}
			out, _ := g.Properties["SecurityGroupEgress"].([]any)
			if len(out) != 1 || at(out[0], "FromPort") != 443.0 || at(out[0], "ToPort") != 443.0 || at(out[0], "IpProtocol") != "tcp" {
				t.Errorf("%s: functions get out by %v", name, out)
			}
		}
		for kind, path := range map[string]struct{ from, to string }{
			"AWS::EC2::SecurityGroupIngress": {"SourceSecurityGroupId", "GroupId"}, "AWS::EC2::SecurityGroupEgress": {"GroupId", "DestinationSecurityGroupId"},
		} {
			var open []float64
			for _, rule := range made.of(kind) {
				from, to := words(rule.Properties[path.from]), words(rule.Properties[path.to])
				if to == "${FunctionGroup.GroupId}" {
					t.Errorf("%s: %s reaches functions", name, from)
				}
				if from != "${FunctionGroup.GroupId}" {
					continue
				}
				first, last := rule.Properties["FromPort"].(float64), rule.Properties["ToPort"].(float64)
				if to != "${HostGroup.GroupId}" || first != last || rule.Properties["IpProtocol"] != "tcp" {
					t.Errorf("%s: functions reach %s from %v to %v", name, to, first, last)
				}
				open = append(open, first)
			}
			if slices.Sort(open); !slices.Equal(open, ports) {
				t.Errorf("%s: %s lets functions reach the ports %v of hosts, want %v", name, kind, open, ports)
			}
		}
	}
}

func TestTable_IsWhatTheAdaptersExpectAndOutlivesTheStack(t *testing.T) {
	table := standard(t).of("AWS::DynamoDB::GlobalTable")[0]
	for property, want := range map[string]string{
		"KeySchema":               `[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]`,
		"BillingMode":             "PAY_PER_REQUEST",
		"StreamSpecification":     `{"StreamViewType":"NEW_AND_OLD_IMAGES"}`,
		"TimeToLiveSpecification": `{"AttributeName":"expires","Enabled":true}`,
		"SSESpecification":        `{"SSEEnabled":true,"SSEType":"KMS"}`,
	} {
		if got := words(table.Properties[property]); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	replica := at(table.Properties, "Replicas", 0)
	if at(replica, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true || at(replica, "DeletionProtectionEnabled") != true {
		t.Errorf("the table can be deleted, or not be brought back: %v", replica)
	}
	if key := words(at(replica, "SSESpecification", "KMSMasterKeyId")); key != "${Key.Arn}" {
		t.Errorf("the table is encrypted by %s", key)
	}
	if tag := at(replica, "Tags", 0); at(tag, "Key") != tagDeployment || at(tag, "Value") != "millrace" {
		t.Errorf("make destroy would not find the table by its tags: %v", at(replica, "Tags"))
	}
	key := standard(t).of("AWS::KMS::Key")
	if len(key) != 1 || key[0].DeletionPolicy != "Retain" || table.DeletionPolicy != "Retain" || key[0].Properties["EnableKeyRotation"] != true {
		t.Errorf("one key, rotated, and kept with the table: %d, %s, %s", len(key), key[0].DeletionPolicy, table.DeletionPolicy)
	}
}

func TestEverything_IsEncryptedAtRest(t *testing.T) {
	made := standard(t)
	encrypted := map[string]func(p map[string]any) bool{
		"AWS::SNS::Topic": func(p map[string]any) bool { return p["KmsMasterKeyId"] != nil },
		"AWS::SQS::Queue": func(p map[string]any) bool { return p["SqsManagedSseEnabled"] == true },
		"AWS::EC2::LaunchTemplate": func(p map[string]any) bool {
			disk := at(p, "LaunchTemplateData", "BlockDeviceMappings", 0, "Ebs")
			return at(disk, "Encrypted") == true && words(at(disk, "KmsKeyId")) == "${Key.Arn}" && at(disk, "VolumeType") == "gp3"
		},
		"AWS::ImageBuilder::ImageRecipe": func(p map[string]any) bool { return at(p, "BlockDeviceMappings", 0, "Ebs", "Encrypted") == true },
		"AWS::ImageBuilder::Component":   func(p map[string]any) bool { return p["KmsKeyId"] != nil },
		"AWS::DynamoDB::GlobalTable":     func(p map[string]any) bool { return at(p, "SSESpecification", "SSEEnabled") == true },
	}
	for kind, is := range encrypted {
		found := made.of(kind)
		if len(found) == 0 {
			t.Errorf("there is no %s: is this test still about what is deployed?", kind)
		}
		for _, r := range found {
			if !is(r.Properties) {
				t.Errorf("%s %s is not encrypted", kind, r.id)
			}
		}
	}
	for _, kind := range []string{"AWS::S3::Bucket", "AWS::EC2::Volume", "AWS::EFS::FileSystem", "AWS::RDS::DBInstance", "AWS::DynamoDB::Table"} {
		if len(made.of(kind)) > 0 {
			t.Errorf("there is a %s, and nobody has said here how it is encrypted", kind)
		}
	}
}

func TestNetwork_LetsNobodyInFromOutside(t *testing.T) {
	for name, made := range map[string]template{"new": standard(t), "existing": existing(t)} {
		for _, g := range made.of("AWS::EC2::SecurityGroup") {
			if g.Properties["SecurityGroupIngress"] != nil {
				t.Errorf("%s: %s lets in %v", name, g.id, g.Properties["SecurityGroupIngress"])
			}
		}
		for _, rule := range made.of("AWS::EC2::SecurityGroupIngress") {
			if own, from := words(rule.Properties["GroupId"]), words(rule.Properties["SourceSecurityGroupId"]); own != from && from != "${FunctionGroup.GroupId}" {
				t.Errorf("%s: %s lets %s into %s; only members and the control plane's functions talk to members", name, rule.id, from, own)
			}
		}
		for _, subnet := range made.of("AWS::EC2::Subnet") {
			if subnet.Properties["MapPublicIpOnLaunch"] == true && !strings.HasPrefix(subnet.id, "ImageVpc") {
				t.Errorf("%s: hosts in %s get public addresses", name, subnet.id)
			}
		}
	}
	if apis := standard(t).of("AWS::ApiGateway::RestApi"); len(apis) != 1 {
		t.Errorf("%d front doors", len(apis))
	}
}

func TestBrokers_HaveNoWayToTheInternet(t *testing.T) {
	made := standard(t)
	for _, kind := range []string{"AWS::EC2::InternetGateway", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::Route"} {
		for _, r := range made.of(kind) {
			if !strings.HasPrefix(r.id, "ImageVpc") {
				t.Errorf("%s %s", kind, r.id)
			}
		}
	}
	if nat := made.of("AWS::EC2::NatGateway"); len(nat) > 0 {
		t.Errorf("a NAT is paid for: %s", nat[0].id)
	}
	if subnets := made.subnetsOf("Vpc"); len(subnets) != 3 {
		t.Errorf("brokers have %d subnets, want one in each of three zones", len(subnets))
	}
}

func (t template) subnetsOf(vpc string) (found []resource) {
	for _, s := range t.of("AWS::EC2::Subnet") {
		if words(s.Properties["VpcId"]) == "${"+vpc+"}" {
			found = append(found, s)
		}
	}
	return found
}

func TestEndpoints_AreTheTwoThatCostNothing(t *testing.T) {
	for name, made := range map[string]template{"new": standard(t), "existing": existing(t)} {
		var services []string
		for _, e := range made.of("AWS::EC2::VPCEndpoint") {
			services = append(services, words(e.Properties["ServiceName"]))
			if e.Properties["VpcEndpointType"] != "Gateway" || len(e.Properties["RouteTableIds"].([]any)) == 0 {
				t.Errorf("%s: %s is %v in %v", name, e.id, e.Properties["VpcEndpointType"], e.Properties["RouteTableIds"])
			}
		}
		if want := []string{"com.amazonaws.us-east-1.dynamodb", "com.amazonaws.us-east-1.s3"}; !slices.Equal(services, want) {
			t.Errorf("%s: endpoints of %v", name, services)
		}
	}
	if len(existing(t).of("AWS::EC2::VPC"))+len(existing(t).of("AWS::EC2::Subnet")) > 0 {
		t.Error("a VPC is made although there is one")
	}
}

func TestHosts_AreReachedByNobodyAndGiveTheirCredentialsToNobodyElse(t *testing.T) {
	launch := at(standard(t).of("AWS::EC2::LaunchTemplate")[0].Properties, "LaunchTemplateData")
	metadata := at(launch, "MetadataOptions")
	if at(metadata, "HttpTokens") != "required" || at(metadata, "HttpPutResponseHopLimit") != 1.0 {
		t.Errorf("metadata: %v", metadata)
	}
	if at(launch, "KeyName") != nil || at(launch, "NetworkInterfaces") != nil {
		t.Error("hosts have a key pair, or an interface that is not their node's address")
	}
	if profile := words(at(launch, "IamInstanceProfile", "Arn")); profile != "${HostProfile.Arn}" {
		t.Errorf("hosts are %s", profile)
	}
	data := words(at(launch, "UserData", "Fn::Base64"))
	var user map[string]string
	if err := json.Unmarshal([]byte(data), &user); err != nil || len(user) != 4 || user["deployment"] != "millrace" || user["region"] != "us-east-1" ||
		!strings.HasPrefix(user["table"], "${Table") || user["roleId"] != "${HostRole.RoleId}" {
		t.Errorf("user data is %s (%v)", data, err)
	}
	for i := range 2 {
		if tag := at(launch, "TagSpecifications", i, "Tags", 0); at(tag, "Key") != tagDeployment || at(tag, "Value") != "millrace" {
			t.Errorf("hosts are tagged %v", tag)
		}
	}
	if image := words(at(existing(t).of("AWS::EC2::LaunchTemplate")[0].Properties, "LaunchTemplateData", "ImageId")); image != "ami-0123456789abcdef0" {
		t.Errorf("the image given is not used, but %s", image)
	}
	for kind := range maps.Keys(existing(t).kinds()) {
		if strings.HasPrefix(kind, "AWS::ImageBuilder::") {
			t.Errorf("an image is given and there is a %s", kind)
		}
	}
}

func (t template) kinds() map[string]bool {
	kinds := map[string]bool{}
	for _, r := range t.Resources {
		kinds[r.Type] = true
	}
	return kinds
}

func TestMachines_AreDeployedWithAllNamesFilledIn(t *testing.T) {
	machines := standard(t).of("AWS::StepFunctions::StateMachine")
	files, err := filepath.Glob("statemachines/*.asl.json")
	if err != nil || len(machines) != len(files) {
		t.Errorf("%d machines of %d files (%v)", len(machines), len(files), err)
	}
	for _, m := range machines {
		name := words(m.Properties["StateMachineName"])
		want := "STANDARD"
		if statemachines.IsSweep(name) {
			want = "EXPRESS"
		}
		if m.Properties["StateMachineType"] != want {
			t.Errorf("%s is %v, want %s", name, m.Properties["StateMachineType"], want)
		}
		values, _ := m.Properties["DefinitionSubstitutions"].(map[string]any)
		for _, match := range regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`).FindAllStringSubmatch(words(m.Properties["DefinitionString"]), -1) {
			if arn := words(values[match[1]]); !strings.HasSuffix(arn, ".Arn}") {
				t.Errorf("%s: ${%s} is %s", name, match[1], arn)
			}
		}
		logging := m.Properties["LoggingConfiguration"]
		level := "ALL"
		if want == "EXPRESS" {
			level = "ERROR" // each minute, there is nothing else to tell
		}
		if at(logging, "Level") != level || at(logging, "IncludeExecutionData") != false || at(m.Properties, "TracingConfiguration", "Enabled") != true {
			t.Errorf("%s: logging %v, tracing %v", name, logging, m.Properties["TracingConfiguration"])
		}
	}
}

// The root, whose path is empty here, is for clients that know no paths: those of Application Auto Scaling.
func TestApi_HasOneWayThatTheFunctionChecksAndOneThatIamDoes(t *testing.T) {
	made := standard(t)
	ways := map[string]any{}
	for _, m := range made.of("AWS::ApiGateway::Method") {
		ways[words(m.Properties["HttpMethod"])+" "+made.path(words(m.Properties["ResourceId"]))] = m.Properties["AuthorizationType"]
	}
	if want := map[string]any{"ANY /{proxy+}": "NONE", "POST ": "NONE", "ANY /iam/{proxy+}": "AWS_IAM"}; !maps.Equal(ways, want) {
		t.Errorf("the ways in are %v, want %v", ways, want)
	}
	stage := made.of("AWS::ApiGateway::Stage")[0].Properties
	settings := at(stage, "MethodSettings", 0)
	if at(settings, "ThrottlingRateLimit") != 50.0 || at(settings, "ThrottlingBurstLimit") != 100.0 || at(settings, "DataTraceEnabled") != false ||
		stage["TracingEnabled"] != true {
		t.Errorf("the stage is %v", stage)
	}
	var line map[string]string
	format := words(at(stage, "AccessLogSetting", "Format"))
	if err := json.Unmarshal([]byte(format), &line); err != nil || line["status"] != "$context.status" || line["userArn"] != "$context.identity.userArn" {
		t.Errorf("access logs are %s (%v)", format, err)
	}
	if kinds := at(made.of("AWS::ApiGateway::RestApi")[0].Properties, "EndpointConfiguration", "Types"); words(kinds) != `["REGIONAL"]` {
		t.Errorf("the API is %v", kinds)
	}
	for _, name := range []string{"Endpoint", "IamEndpoint", "RegionName", "VpcId", "SubnetIds", "WebAclAssociationArn"} {
		if made.Outputs[name] == nil {
			t.Errorf("there is no output %s", name)
		}
	}
}

// path gives the path of a resource of the API, named as words name it.
func (t template) path(name string) string {
	for _, r := range t.of("AWS::ApiGateway::Resource") {
		if words(map[string]any{"Ref": r.id}) == name {
			return t.path(words(r.Properties["ParentId"])) + "/" + words(r.Properties["PathPart"])
		}
	}
	return ""
}

func TestSchedules_StartTheSweepsAndKeepTheFunctionsInsideConnected(t *testing.T) {
	got := map[string]string{}
	for _, s := range standard(t).of("AWS::Scheduler::Schedule") {
		got[words(at(s.Properties, "Target", "Arn"))] = words(s.Properties["ScheduleExpression"]) + " " + words(at(s.Properties, "Target", "Input"))
	}
	want := map[string]string{
		"${OperationsSweep}": "rate(1 minute) {}", "${HealthSweep}": "rate(1 minute) {}", "${TopicsSweep}": "rate(10 minutes) {}",
		"${Brokerreplacement.Arn}": `rate(1 day) {"step":"StayConnected"}`,
		"${Topicadmin.Arn}":        `rate(1 day) {"step":"StayConnected"}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("the schedules are %v, want %v", got, want)
	}
	if idle := awsfacts.LimitOf("lambda.idle-inside").Duration(); idle <= 24*time.Hour {
		t.Errorf("a call each day is not enough: functions inside lose their interfaces after %s", idle)
	}
}

func TestSweep_StartsAfterEveryFailedExecution(t *testing.T) {
	made := standard(t)
	for _, rule := range made.of("AWS::Events::Rule") {
		if !strings.HasPrefix(rule.id, "ExecutionEnded") {
			continue
		}
		detail := at(rule.Properties, "EventPattern", "detail")
		if words(at(detail, "status")) != `["FAILED","TIMED_OUT","ABORTED"]` ||
			words(at(detail, "stateMachineArn", 0, "prefix")) != "arn:aws:states:us-east-1:${AccountId}:stateMachine:millrace-" {
			t.Errorf("it listens to %v", detail)
		}
		if input := words(at(rule.Properties, "Targets", 0, "Input")); input != `{"step":"SweepOperations"}` {
			t.Errorf("it sends %s", input)
		}
		return
	}
	t.Error("nobody listens to executions that end badly")
}

// Lambda refuses a second mapping of the same stream to the same function, whatever their filters.
func TestHeartbeats_OfEachKindHaveAFunctionOfTheirOwn(t *testing.T) {
	mapped := map[string]string{}
	for _, m := range standard(t).of("AWS::Lambda::EventSourceMapping") {
		pair := words(m.Properties["EventSourceArn"]) + " to " + words(m.Properties["FunctionName"])
		if mapped[pair] != "" {
			t.Errorf("%s and %s both map %s", mapped[pair], m.id, pair)
		}
		mapped[pair] = m.id
	}
	if len(mapped) != 2 {
		t.Errorf("the stream is read by %v", mapped)
	}
}

func TestHeartbeats_ThatCannotBeHandledAreNotedAndHoldUpNoOthers(t *testing.T) {
	filters := map[string]any{}
	for _, m := range standard(t).of("AWS::Lambda::EventSourceMapping") {
		p := m.Properties
		if p["BisectBatchOnFunctionError"] != true || p["MaximumRetryAttempts"] != 3.0 || words(at(p, "DestinationConfig", "OnFailure", "Destination")) != "${Undelivered.Arn}" {
			t.Errorf("%s: %v", m.id, p)
		}
		filters[words(at(p, "FilterCriteria", "Filters", 0, "Pattern"))] = p["MaximumBatchingWindowInSeconds"]
	}
	want := map[string]any{
		`{"eventName":["INSERT","MODIFY"],"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"beat#"}]},"sk":{"S":["news"]}}}}`: 0.0,
		`{"eventName":["INSERT","MODIFY"],"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"beat#"}]},"sk":{"S":["last"]}}}}`: 60.0,
	}
	if !maps.Equal(normalised(filters), normalised(want)) {
		t.Errorf("the stream is filtered by %v", filters)
	}
}

// normalised writes the keys, which are JSON, with their members in order.
func normalised(byText map[string]any) map[string]any {
	same := map[string]any{}
	for text, value := range byText {
		var decoded any
		if json.Unmarshal([]byte(text), &decoded) == nil {
			again, _ := json.Marshal(decoded)
			text = string(again)
		}
		same[text] = value
	}
	return same
}

func TestAlarms_HaveAPlaybookEachAndPlaybooksAnAlarm(t *testing.T) {
	var sound []string
	for _, a := range standard(t).of("AWS::CloudWatch::Alarm") {
		sound = append(sound, strings.TrimPrefix(words(a.Properties["AlarmName"]), "millrace-"))
		if words(at(a.Properties, "AlarmActions")) == "null" || !strings.Contains(words(a.Properties["AlarmDescription"]), "infra/playbooks/") {
			t.Errorf("%s tells nobody, or does not say where to read on", a.id)
		}
	}
	sound = append(sound, slices.Collect(maps.Keys(hostNotices))...)
	files, err := filepath.Glob("infra/playbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var playbooks []string
	for _, file := range files {
		playbooks = append(playbooks, strings.TrimSuffix(filepath.Base(file), ".md"))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"## What it means", "## What is safe", "## What to do"} {
			if !strings.Contains(string(text), part+"\n") {
				t.Errorf("%s has no part %q", file, part)
			}
		}
	}
	if slices.Sort(sound); !slices.Equal(sound, slices.Sorted(slices.Values(playbooks))) {
		t.Errorf("alarms are %v, playbooks %v", sound, playbooks)
	}
}

func TestAlarms_WatchAsManyMetricsAsTheBillCounts(t *testing.T) {
	watched := 0
	for _, a := range standard(t).of("AWS::CloudWatch::Alarm") {
		metrics, _ := a.Properties["Metrics"].([]any)
		if metrics == nil {
			watched++
		}
		for _, m := range metrics {
			if at(m, "MetricStat") != nil {
				watched++
			}
		}
	}
	if watched != bill.AlarmMetrics {
		t.Errorf("alarms watch %d metrics, the bill has %d", watched, bill.AlarmMetrics)
	}
}

func TestHostEvents_ThatNeedSomebodyAreToldAtOnce(t *testing.T) {
	made := standard(t)
	told := map[string]bool{}
	for _, rule := range made.of("AWS::Events::Rule") {
		if words(rule.Properties["EventBusName"]) != "${Bus}" {
			continue
		}
		pattern := rule.Properties["EventPattern"]
		if at(pattern, "detail-type") == nil {
			continue // see TestHealth_IsLookedAtWhateverWakesIt
		}
		if words(at(rule.Properties, "Targets", 0, "Arn")) == "${StorageAutoscaling}" {
			continue // see TestStorage_IsLookedAtWhenADiskFills
		}
		if words(at(pattern, "source")) != `["millrace"]` || words(at(rule.Properties, "Targets", 0, "Arn")) != "${AlarmTopic}" {
			t.Errorf("%s: %v", rule.id, rule.Properties)
		}
		told[words(at(pattern, "detail-type", 0))] = true
	}
	for _, event := range []string{"Broker Fenced", "Node In Trouble", "Disk Nearly Full", "Certificate Near Its End"} {
		if !told[event] {
			t.Errorf("nobody is told of %q; rules are for %v", event, slices.Sorted(maps.Keys(told)))
		}
	}
	statements, _ := at(made.of("AWS::SNS::TopicPolicy")[0].Properties, "PolicyDocument", "Statement").([]any)
	for _, s := range statements {
		if at(s, "Effect") == "Allow" && !strings.Contains(words(at(s, "Condition")), "aws:SourceArn") {
			t.Errorf("the topic is open to others: %s", words(s))
		}
	}
}

// wake is a rule that starts a machine.
type wake struct {
	id, bus string // bus is "null" for the account's own
	pattern any
	input   string // what the machine gets, with the paths in the event that it is made of
}

// wakesOf gives the rules that start a machine, each in the role that is for it.
func (m template) wakesOf(t *testing.T, machine string) (wakes []wake) {
	t.Helper()
	for _, rule := range m.of("AWS::Events::Rule") {
		target := at(rule.Properties, "Targets", 0)
		if words(at(target, "Arn")) != machine {
			continue
		}
		if words(at(target, "RoleArn")) != "${WakeRole.Arn}" {
			t.Errorf("%s starts it as %s", rule.id, words(at(target, "RoleArn")))
		}
		input := words(at(target, "Input"))
		if transformed := at(target, "InputTransformer"); transformed != nil {
			input = words(at(transformed, "InputTemplate")) + " of " + words(at(transformed, "InputPathsMap"))
		}
		wakes = append(wakes, wake{rule.id, words(rule.Properties["EventBusName"]), rule.Properties["EventPattern"], input})
	}
	return wakes
}

// Whatever may be about a host starts a look: at its cluster where the event says whose it is, and at all otherwise.
func TestHealth_IsLookedAtWhateverWakesIt(t *testing.T) {
	made := standard(t)
	got := map[string]string{}
	for _, w := range made.wakesOf(t, "${HealthSweep}") {
		got[w.id] = strings.TrimPrefix(w.bus+" "+words(w.pattern), "null ") + " gives " + w.input
	}
	var sound []string
	for _, a := range made.of("AWS::CloudWatch::Alarm") {
		if a.Properties["Namespace"] == healthNamespace {
			sound = append(sound, strconv.Quote("arn:aws:cloudwatch:us-east-1:${AccountId}:alarm:"+words(a.Properties["AlarmName"])))
		}
	}
	want := map[string]string{
		"HostEvent":        `${Bus} {"detail":{"cluster":[{"exists":true}]},"source":["millrace"]} gives {"cluster": <cluster>} of {"cluster":"$.detail.cluster"}`,
		"InstanceEnds":     `{"detail":{"state":["stopping","stopped","shutting-down","terminated"]},"detail-type":["EC2 Instance State-change Notification"],"source":["aws.ec2"]} gives {}`,
		"SpotInterruption": `{"detail-type":["EC2 Spot Instance Interruption Warning"],"source":["aws.ec2"]} gives {}`,
	}
	for id, wanted := range want {
		if got[id] != wanted {
			t.Errorf("%s is\n%s, want\n%s", id, got[id], wanted)
		}
	}
	alarms := made.Resources["HealthAlarm"].Properties["EventPattern"]
	var heard []string
	for _, arn := range all(at(alarms, "resources")) {
		heard = append(heard, strconv.Quote(arn))
	}
	slices.Sort(heard)
	if slices.Sort(sound); !slices.Equal(heard, sound) || words(at(alarms, "detail", "state", "value")) != `["ALARM"]` {
		t.Errorf("alarms about health are %v, heard are %v: %s", sound, heard, words(alarms))
	}
}

// Whoever makes volumes grow hears of each step by which one fills, whichever of the events tells of it, and of the alarms.
func TestStorage_IsLookedAtWhenADiskFills(t *testing.T) {
	got := map[string]string{}
	for _, w := range standard(t).wakesOf(t, "${StorageAutoscaling}") {
		about := strings.Join(append(all(at(w.pattern, "detail-type")), all(at(w.pattern, "resources"))...), ", ")
		got[w.id] = strings.TrimPrefix(w.bus+" "+about, "null ") + " gives " + w.input
	}
	const alarm = "arn:aws:cloudwatch:us-east-1:${AccountId}:alarm:millrace-"
	want := map[string]string{
		"StorageEvent": `${Bus} Disk Fills, Disk Nearly Full, Disk Full gives {"cluster": <cluster>} of {"cluster":"$.detail.cluster"}`,
		"StorageAlarm": "CloudWatch Alarm State Change, " + alarm + "DisksNearlyFull, " + alarm + "DisksFull gives {}",
	}
	if !maps.Equal(got, want) {
		t.Errorf("it is woken by\n%v, want\n%v", got, want)
	}
}

func TestSynth_GivesTheSameTemplateAgain(t *testing.T) {
	if again, _ := synthesise(t, nil, nil); again.text != standard(t).text {
		t.Error("it differs from the first")
	}
}

// identity are, by type, the properties by whose change CloudFormation replaces a thing, for all types that hold something or
// are pointed at from outside the stack.
var identity = map[string][]string{
	"AWS::DynamoDB::GlobalTable":       {"TableName", "KeySchema"},
	"AWS::KMS::Key":                    {"KeySpec", "MultiRegion"},
	"AWS::EC2::VPC":                    {"CidrBlock", "InstanceTenancy"},
	"AWS::EC2::Subnet":                 {"VpcId", "CidrBlock", "AvailabilityZone"},
	"AWS::EC2::RouteTable":             {"VpcId"},
	"AWS::EC2::VPCEndpoint":            {"VpcId", "ServiceName", "VpcEndpointType"},
	"AWS::EC2::SecurityGroup":          {"VpcId", "GroupName", "GroupDescription"},
	"AWS::EC2::LaunchTemplate":         {"LaunchTemplateName"},
	"AWS::Route53::HostedZone":         {"Name"},
	"AWS::Logs::LogGroup":              {"LogGroupName"},
	"AWS::StepFunctions::StateMachine": {"StateMachineName", "StateMachineType"},
	"AWS::Lambda::Function":            {"FunctionName", "PackageType"},
	"AWS::IAM::Role":                   {"RoleName", "Path"},
	"AWS::IAM::InstanceProfile":        {"InstanceProfileName", "Path"},
	"AWS::Events::EventBus":            {"Name"},
	"AWS::SQS::Queue":                  {"QueueName", "FifoQueue"},
	"AWS::SNS::Topic":                  {"TopicName", "FifoTopic"},
	"AWS::ApiGateway::RestApi":         {},
	"AWS::ApiGateway::Stage":           {"RestApiId", "StageName"},
}

func TestDeployment_OverARunningSystemReplacesNothingThatHoldsSomething(t *testing.T) {
	before := standard(t)
	after, _ := synthesise(t, map[string]string{
		"build": builds["after"], "controllers": "1", "reservedConcurrency": "api=5", "logRetentionDays": "90", "throttleRate": "10",
		"throttleBurst": "20", "alarmEmail": "oncall@example.com",
	}, nil)
	if before.text == after.text {
		t.Fatal("nothing changed: is this test still about a change?")
	}
	for id, was := range before.Resources {
		properties, holds := identity[was.Type]
		if !holds {
			continue
		}
		is, ok := after.Resources[id]
		if !ok || is.Type != was.Type {
			t.Errorf("%s %s would be removed", was.Type, id)
			continue
		}
		for _, p := range properties {
			if !reflect.DeepEqual(was.Properties[p], is.Properties[p]) {
				t.Errorf("%s %s would be replaced: %s becomes %v", was.Type, id, p, is.Properties[p])
			}
		}
	}
	image := func(made template) any { return made.of("AWS::ImageBuilder::ImageRecipe")[0].Properties["Name"] }
	if image(before) == image(after) {
		t.Error("the agent has changed and the image's recipe, which can't be changed, has kept its name")
	}
}

func TestLockfile_NamesNoRegistry(t *testing.T) {
	text, err := os.ReadFile("package-lock.json")
	if err != nil || strings.Contains(string(text), `"resolved"`) || !strings.Contains(string(text), `"node_modules/aws-cdk": {
      "version": "2.1148.1"`) {
		t.Errorf("package-lock.json pins aws-cdk 2.1148.1 and leaves the registry to whoever installs (%v)", err)
	}
}
