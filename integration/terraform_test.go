package integration

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/integration/harness"
)

// mainTF is what a user of Terraform writes, with nothing that only a local control plane would need: the endpoint, the
// region and the keys come from the environment that millrace env prints.
const mainTF = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "5.100.0" }
  }
}

provider "aws" {
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

resource "aws_msk_configuration" "short_memory" {
  name              = "short-memory"
  kafka_versions    = ["4.3.x.kraft"]
  server_properties = <<-EOT
    # two days
    log.retention.hours = 48
    auto.create.topics.enable = true
  EOT
}

resource "aws_msk_cluster" "orders" {
  cluster_name           = "orders"
  kafka_version          = "4.3.x.kraft"
  number_of_broker_nodes = 3

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = ["subnet-a", "subnet-b", "subnet-c"]
    security_groups = ["sg-0123456789abcdef0"]
    storage_info {
      ebs_storage_info { volume_size = 100 }
    }
  }

  encryption_info {
    encryption_in_transit {
      client_broker = "TLS_PLAINTEXT"
      in_cluster    = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.short_memory.arn
    revision = aws_msk_configuration.short_memory.latest_revision
  }

  tags = { team = "payments" }
}

output "arn" { value = aws_msk_cluster.orders.arn }
output "tls" { value = aws_msk_cluster.orders.bootstrap_brokers_tls }
output "plaintext" { value = aws_msk_cluster.orders.bootstrap_brokers }
`

func TestTerraform_CreatesGrowsPlansNothingMoreAndDestroys(t *testing.T) {
	tf := newTerraform(t, harness.StartMillrace(t))
	tf.run("init", "-input=false", "-no-color")
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")

	arn := strings.TrimSpace(tf.run("output", "-raw", "arn"))
	for _, output := range []struct{ name, port string }{{"tls", ":9094"}, {"plaintext", ":9092"}} {
		if got := tf.run("output", "-raw", output.name); strings.Count(got, output.port) != 3 {
			t.Errorf("the output %s is %q", output.name, got)
		}
	}
	writeAndRead(tf.millrace.TLSClient(t, arn), t)

	// -detailed-exitcode makes a plan that holds any change fail.
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode")

	growsInPlace(t, tf, arn)

	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	nothingIsLeft(t, tf.millrace, nil)
	for _, list := range []struct{ command, member string }{
		{"list-clusters", "ClusterInfoList"}, {"list-configurations", "Configurations"},
	} {
		answer := harness.Decode[map[string][]any](t, tf.millrace.AWS(t, "kafka", list.command))
		if len(answer[list.member]) > 0 {
			t.Errorf("left behind: %v", answer)
		}
	}
}

// growsInPlace makes the declared volumes larger: the cluster stays what it is, and once it is done nothing is left to plan. Made
// smaller again, which Terraform plans without a word, they are refused with the size that they have.
func growsInPlace(t *testing.T, tf terraform, arn string) {
	t.Helper()
	const declared = "volume_size = 100"
	tf.write(strings.Replace(mainTF, declared, "volume_size = 120", 1))
	tf.run("apply", "-input=false", "-no-color", "-auto-approve")
	tf.run("plan", "-input=false", "-no-color", "-detailed-exitcode")
	if now := strings.TrimSpace(tf.run("output", "-raw", "arn")); now != arn {
		t.Errorf("the cluster is %s by now, and was %s", now, arn)
	}
	if got := tf.millrace.TLSClient(t, arn).Consume("there-and-back", 100); len(got) != 100 {
		t.Errorf("of 100 records that were written before, %d came back", len(got))
	}
	operations := harness.Decode[struct {
		ClusterOperationInfoList []struct{ OperationType, OperationState string }
	}](t, tf.millrace.AWS(t, "kafka", "list-cluster-operations", "--cluster-arn", arn))
	if last := operations.ClusterOperationInfoList[0]; last.OperationType != "UPDATE_BROKER_STORAGE" || last.OperationState != "UPDATE_COMPLETE" {
		t.Errorf("the last operation is %+v", last)
	}

	tf.write(mainTF)
	const refusal = "The volume of each broker has 120 GiB, and volumes never shrink"
	// Terraform breaks lines of what it quotes, and frames them.
	words := func(text string) string {
		return strings.Join(strings.Fields(strings.ReplaceAll(text, "│", " ")), " ")
	}
	if out, err := tf.try("apply", "-input=false", "-no-color", "-auto-approve"); err == nil || !strings.Contains(words(out), refusal) {
		t.Errorf("a shrink: %v\n%s", err, out)
	}
}

func TestTerraform_DestroysAClusterWhoseCreateFailed(t *testing.T) {
	tf := newTerraform(t, withoutKafka(t))
	tf.run("init", "-input=false", "-no-color")
	if out, err := tf.try("apply", "-input=false", "-no-color", "-auto-approve"); err == nil {
		t.Errorf("apply succeeded, although no broker can run:\n%s", out)
	}
	tf.run("plan", "-input=false", "-no-color")
	tf.run("destroy", "-input=false", "-no-color", "-auto-approve")
	nothingIsLeft(t, tf.millrace, nil)
}

// terraform is a Terraform of its own: it knows nothing of the user's, and brings no provider over the network.
type terraform struct {
	t           *testing.T
	millrace    *harness.Millrace
	dir         string
	environment []string
}

// newTerraform skips where Terraform or its provider is missing: they are somebody else's clients among others, and the
// project does not need them.
func newTerraform(t *testing.T, m *harness.Millrace) terraform {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not installed")
	}
	mirror := pluginMirror()
	if mirror == "" {
		t.Skip("no mirror holds Terraform's aws provider 5.100.0; name a directory that does with MILLRACE_TERRAFORM_MIRROR")
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "terraform.rc")
	for file, content := range map[string]string{
		filepath.Join(dir, "main.tf"): mainTF,
		settings: `provider_installation {
  filesystem_mirror { path = "` + mirror + `" }
}
`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment := slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "TF_")
	})
	for name, value := range m.Environment() {
		environment = append(environment, name+"="+value)
	}
	environment = append(environment, "TF_CLI_CONFIG_FILE="+settings, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	return terraform{t, m, dir, environment}
}

// pluginMirror finds a directory that is laid out as `terraform providers mirror` does it and holds the provider; empty when
// there is none.
func pluginMirror() string {
	for _, dir := range pluginMirrors() {
		if found, _ := filepath.Glob(filepath.Join(dir, "*/hashicorp/aws/*5.100.0*")); len(found) > 0 {
			return dir
		}
	}
	return ""
}

var filesystemMirror = regexp.MustCompile(`(?s)filesystem_mirror\s*{[^}]*?\bpath\s*=\s*"([^"]+)"`)

// pluginMirrors are the directories that may be a mirror: the one that is named for these tests, those that the user's
// Terraform is configured with, and those in which Terraform looks by itself
// (https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories).
func pluginMirrors() []string {
	var dirs []string
	if named := os.Getenv("MILLRACE_TERRAFORM_MIRROR"); named != "" {
		dirs = append(dirs, named)
	}
	home, _ := os.UserHomeDir()
	settings, _ := os.ReadFile(cmp.Or(os.Getenv("TF_CLI_CONFIG_FILE"), filepath.Join(home, ".terraformrc")))
	for _, match := range filesystemMirror.FindAllSubmatch(settings, -1) {
		dirs = append(dirs, string(match[1]))
	}
	dirs = append(dirs, filepath.Join(home, ".terraform.d/plugins"))
	data := []string{cmp.Or(os.Getenv("XDG_DATA_HOME"), filepath.Join(home, ".local/share"))}
	data = append(data, filepath.SplitList(cmp.Or(os.Getenv("XDG_DATA_DIRS"), "/usr/local/share:/usr/share"))...)
	for _, dir := range data {
		dirs = append(dirs, filepath.Join(dir, "terraform/plugins"))
	}
	return dirs
}

// write declares something else.
func (tf terraform) write(main string) {
	tf.t.Helper()
	if err := os.WriteFile(filepath.Join(tf.dir, "main.tf"), []byte(main), 0o600); err != nil {
		tf.t.Fatal(err)
	}
}

// run runs a command of Terraform and gives what it printed.
func (tf terraform) run(args ...string) string {
	tf.t.Helper()
	out, err := tf.try(args...)
	if err != nil {
		tf.t.Fatalf("terraform %s: %v\n%s", args[0], err, out)
	}
	return out
}

func (tf terraform) try(args ...string) (string, error) {
	tf.t.Helper()
	cmd := exec.CommandContext(tf.t.Context(), "terraform", args...)
	cmd.Dir = tf.dir
	cmd.Env = tf.environment
	out, err := cmd.CombinedOutput()
	return string(out), err
}
