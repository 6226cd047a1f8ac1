package api_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"
)

// Terraform's whole flow: create, refresh, update in place, refresh, destroy, and Describe until the text it waits for.
func TestConfigurations_LiveAsTerraformExpects(t *testing.T) {
	desk := openFrontDesk(t)
	text := []byte("# ours, with a blank line\r\n\nauto.create.topics.enable = True\ndelete.topic.enable=true")
	created, err := desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name:             aws.String("ours"),
		Description:      aws.String("first"),
		KafkaVersions:    []string{"4.1.x.kraft", "3.9.x"},
		ServerProperties: text,
	})
	if err != nil {
		t.Fatal(err)
	}
	if created.State != types.ConfigurationStateActive || *created.Name != "ours" || *created.LatestRevision.Revision != 1 ||
		*created.LatestRevision.Description != "first" || !created.CreationTime.Equal(*created.LatestRevision.CreationTime) {
		t.Errorf("created %+v", created)
	}

	described, err := desk.DescribeConfiguration(t.Context(), &kafka.DescribeConfigurationInput{Arn: created.Arn})
	if err != nil {
		t.Fatal(err)
	}
	if *described.Arn != *created.Arn || *described.Name != "ours" || *described.Description != "first" ||
		described.State != types.ConfigurationStateActive || !described.CreationTime.Equal(*created.CreationTime) ||
		!slices.Equal(described.KafkaVersions, []string{"4.1.x.kraft", "3.9.x"}) || *described.LatestRevision.Revision != 1 {
		t.Errorf("described %+v", described)
	}
	desk.wantText(t, *created.Arn, 1, text)

	second := []byte("\n")
	updated, err := desk.UpdateConfiguration(t.Context(), &kafka.UpdateConfigurationInput{
		Arn: created.Arn, Description: aws.String("second"), ServerProperties: second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if *updated.Arn != *created.Arn || *updated.LatestRevision.Revision != 2 || *updated.LatestRevision.Description != "second" {
		t.Errorf("updated %+v", updated)
	}
	desk.wantText(t, *created.Arn, 1, text)
	desk.wantText(t, *created.Arn, 2, second)

	deleted, err := desk.DeleteConfiguration(t.Context(), &kafka.DeleteConfigurationInput{Arn: created.Arn})
	if err != nil {
		t.Fatal(err)
	}
	if *deleted.Arn != *created.Arn || deleted.State != types.ConfigurationStateDeleting {
		t.Errorf("deleted %+v", deleted)
	}
	_, err = desk.DescribeConfiguration(t.Context(), &kafka.DescribeConfigurationInput{Arn: created.Arn})
	refusedFor(t, err, "arn", "Configuration ARN does not exist")
	desk.configure(t, "ours", "") // the name is free again
}

func TestConfigurations_ReturnAnEmptyTextAsEmpty(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.configure(t, "nothing", "")
	desk.wantText(t, arn, 1, []byte{})
	described, err := desk.DescribeConfiguration(t.Context(), &kafka.DescribeConfigurationInput{Arn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if described.Description == nil || *described.Description != "" || described.KafkaVersions == nil {
		t.Errorf("members that MSK always shows are missing: %+v", described)
	}
}

func TestConfigurations_KeepBytesThatAreNoText(t *testing.T) {
	desk := openFrontDesk(t)
	text := "# caf\xe9 \x00\xff\nnum.partitions=3"
	desk.wantText(t, desk.configure(t, "latin", text), 1, []byte(text))
}

func TestCreateConfiguration_Refuses(t *testing.T) {
	desk := openFrontDesk(t)
	for _, tt := range []struct {
		name      string
		in        kafka.CreateConfigurationInput
		parameter string
		telling   string
	}{
		{"an empty name", kafka.CreateConfigurationInput{Name: aws.String("")}, "name", "1 to 64 characters"},
		{"a name of 65 characters", kafka.CreateConfigurationInput{Name: aws.String(strings.Repeat("a", 65))}, "name", "1 to 64 characters"},
		{"a name with a dot", kafka.CreateConfigurationInput{Name: aws.String("a.b")}, "name", "characters that are not valid"},
		{"a name with an underscore", kafka.CreateConfigurationInput{Name: aws.String("a_b")}, "name", "characters that are not valid"},
		{"a name that starts with a hyphen", kafka.CreateConfigurationInput{Name: aws.String("-a")}, "name", "characters that are not valid"},
		{
			"a description of 1025 characters",
			kafka.CreateConfigurationInput{Description: aws.String(strings.Repeat("é", 1025))},
			"description", "at most 1024",
		},
		{
			"an unknown Kafka version",
			kafka.CreateConfigurationInput{KafkaVersions: []string{"4.1.x.kraft", "9.9.9"}},
			"kafkaVersions", "Unsupported KafkaVersion [9.9.9]. Valid values: [1.1.1 ",
		},
		{
			"a Kafka version twice",
			kafka.CreateConfigurationInput{KafkaVersions: []string{"3.9.x", "3.9.x"}},
			"kafkaVersions", "duplicate items",
		},
		{
			"an unknown property",
			kafka.CreateConfigurationInput{ServerProperties: []byte("log.dirs=/tmp")},
			"serverProperties",
			`[{"name":"log.dirs","value":"/tmp","errorMessages":["Key 'log.dirs' is not supported by at least one Apache Kafka version.`,
		},
		{
			"a value out of range",
			kafka.CreateConfigurationInput{ServerProperties: []byte("replica.lag.time.max.ms=9999")},
			"serverProperties", "an integer from 10000 to 30000",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.in.Name == nil {
				tt.in.Name = aws.String("ours")
			}
			if tt.in.ServerProperties == nil {
				tt.in.ServerProperties = []byte{}
			}
			_, err := desk.CreateConfiguration(t.Context(), &tt.in)
			refusedFor(t, err, tt.parameter, tt.telling)
		})
	}
	if all, err := desk.ListConfigurations(t.Context(), &kafka.ListConfigurationsInput{}); err != nil || len(all.Configurations) > 0 {
		t.Errorf("a refused request left %v (%v)", all.Configurations, err)
	}
}

func TestCreateConfiguration_TakesWhatIsJustAllowed(t *testing.T) {
	desk := openFrontDesk(t)
	_, err := desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name:             aws.String("0" + strings.Repeat("-", 63)),
		Description:      aws.String(strings.Repeat("é", 1024)),
		KafkaVersions:    []string{"1.1.1", "2.6.3", "2.8.1", "2.8.2.tiered", "3.6.0", "3.7.x.kraft", "4.3.x.kraft"}, // as old files list them
		ServerProperties: []byte("custom.advertised.listeners=CLIENT_SECURE://kafka.example.com:9000+{broker_id}"),
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCreateConfiguration_GivesANameToOneOfMany(t *testing.T) {
	desk := openFrontDesk(t)
	var callers sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		callers.Go(func() {
			_, errs[i] = desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
				Name: aws.String("ours"), ServerProperties: []byte{},
			})
		})
	}
	callers.Wait()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		refused(t, err, "ConflictException", "A resource with this name already exists.")
	}
	if succeeded != 1 {
		t.Errorf("%d callers got the name", succeeded)
	}
}

func TestConfigurations_HaveLimits(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.configure(t, "c-000", "")
	for i := 2; i <= 50; i++ {
		if _, err := desk.UpdateConfiguration(t.Context(), &kafka.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte{}}); err != nil {
			t.Fatalf("revision %d: %v", i, err)
		}
	}
	_, err := desk.UpdateConfiguration(t.Context(), &kafka.UpdateConfigurationInput{Arn: &arn, ServerProperties: []byte{}})
	refused(t, err, "BadRequestException", "at most 50 revisions")

	for i := 1; i < 100; i++ {
		desk.configure(t, fmt.Sprintf("c-%03d", i), "")
	}
	_, err = desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name: aws.String("c-100"), ServerProperties: []byte{},
	})
	refused(t, err, "BadRequestException", "at most 100 configurations")

	t.Run("and lists give all of them, page by page", func(t *testing.T) {
		var names []string
		pages := kafka.NewListConfigurationsPaginator(desk, &kafka.ListConfigurationsInput{MaxResults: aws.Int32(33)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Configurations {
				names = append(names, *c.Name)
			}
		}
		if len(names) != 100 || !slices.IsSorted(names) || names[0] != "c-000" || names[99] != "c-099" {
			t.Errorf("got %d: %v", len(names), names)
		}
		var numbers []int64
		revisions := kafka.NewListConfigurationRevisionsPaginator(desk,
			&kafka.ListConfigurationRevisionsInput{Arn: &arn, MaxResults: aws.Int32(20)})
		for revisions.HasMorePages() {
			page, err := revisions.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Revisions {
				numbers = append(numbers, *r.Revision)
			}
		}
		if len(numbers) != 50 || !slices.IsSorted(numbers) || numbers[0] != 1 || numbers[49] != 50 {
			t.Errorf("got %d: %v", len(numbers), numbers)
		}
	})
	t.Run("and a token of another list is refused", func(t *testing.T) {
		page, err := desk.ListConfigurations(t.Context(), &kafka.ListConfigurationsInput{MaxResults: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = desk.ListConfigurationRevisions(t.Context(), &kafka.ListConfigurationRevisionsInput{Arn: &arn, NextToken: page.NextToken})
		refusedFor(t, err, "nextToken", "not a token of ListConfigurationRevisions")
	})
}

func TestUpdateConfiguration_Refuses(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.configure(t, "ours", "")
	for _, tt := range []struct {
		name      string
		in        kafka.UpdateConfigurationInput
		parameter string
		telling   string
	}{
		{
			"a bad property",
			kafka.UpdateConfigurationInput{ServerProperties: []byte("min.insync.replicas=0")},
			"serverProperties", `"name":"min.insync.replicas"`,
		},
		{
			"a long description",
			kafka.UpdateConfigurationInput{Description: aws.String(strings.Repeat("a", 1025))},
			"description", "at most 1024",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Arn = &arn
			if tt.in.ServerProperties == nil {
				tt.in.ServerProperties = []byte{}
			}
			_, err := desk.UpdateConfiguration(t.Context(), &tt.in)
			refusedFor(t, err, tt.parameter, tt.telling)
		})
	}
	described, err := desk.DescribeConfiguration(t.Context(), &kafka.DescribeConfigurationInput{Arn: &arn})
	if err != nil || *described.LatestRevision.Revision != 1 {
		t.Errorf("a refused request left %+v (%v)", described, err)
	}
}

func TestUpdateConfiguration_TheDescriptionBelongsToTheRevision(t *testing.T) {
	desk := openFrontDesk(t)
	created, err := desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name: aws.String("ours"), Description: aws.String("first"), ServerProperties: []byte{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.UpdateConfiguration(t.Context(), &kafka.UpdateConfigurationInput{
		Arn: created.Arn, ServerProperties: []byte{},
	}); err != nil {
		t.Fatal(err)
	}
	listed, err := desk.ListConfigurationRevisions(t.Context(), &kafka.ListConfigurationRevisionsInput{Arn: created.Arn})
	if err != nil || len(listed.Revisions) != 2 {
		t.Fatalf("listed %+v (%v)", listed, err)
	}
	if d := aws.ToString(listed.Revisions[0].Description); d != "first" {
		t.Errorf("revision 1 is described as %q", d)
	}
	if d := listed.Revisions[1].Description; d != nil {
		t.Errorf("revision 2 is described as %q", *d)
	}
}

// Every operation that takes an ARN tells an unknown one from a malformed one, and neither is a 404.
func TestConfigurations_UnknownAndMalformedARNs(t *testing.T) {
	desk := openFrontDesk(t)
	desk.configure(t, "ours", "")
	const id = "11111111-2222-3333-4444-555555555555-2"
	for _, arn := range []struct{ name, arn, telling string }{
		{"unknown", "arn:aws:kafka:eu-west-1:000000000000:configuration/ours/" + id, "Configuration ARN does not exist"},
		{"of another region", "arn:aws:kafka:us-east-1:000000000000:configuration/ours/" + id, "Invalid Configuration ARN."},
		{"of a cluster", "arn:aws:kafka:eu-west-1:000000000000:cluster/ours/" + id, "Invalid Configuration ARN."},
		{"without an id", "arn:aws:kafka:eu-west-1:000000000000:configuration/ours", "Invalid Configuration ARN."},
		{"no ARN at all", "ours", "Invalid Configuration ARN."},
	} {
		for name, call := range map[string]func() error{
			"DescribeConfiguration": func() error {
				_, err := desk.DescribeConfiguration(t.Context(), &kafka.DescribeConfigurationInput{Arn: &arn.arn})
				return err
			},
			"DescribeConfigurationRevision": func() error {
				_, err := desk.DescribeConfigurationRevision(t.Context(),
					&kafka.DescribeConfigurationRevisionInput{Arn: &arn.arn, Revision: aws.Int64(1)})
				return err
			},
			"ListConfigurationRevisions": func() error {
				_, err := desk.ListConfigurationRevisions(t.Context(), &kafka.ListConfigurationRevisionsInput{Arn: &arn.arn})
				return err
			},
			"UpdateConfiguration": func() error {
				_, err := desk.UpdateConfiguration(t.Context(),
					&kafka.UpdateConfigurationInput{Arn: &arn.arn, ServerProperties: []byte{}})
				return err
			},
			"DeleteConfiguration": func() error {
				_, err := desk.DeleteConfiguration(t.Context(), &kafka.DeleteConfigurationInput{Arn: &arn.arn})
				return err
			},
		} {
			t.Run(name+" of an ARN "+arn.name, func(t *testing.T) { refusedFor(t, call(), "arn", arn.telling) })
		}
	}
}

func TestDescribeConfigurationRevision_NamesTheLatestWhenThereIsNoSuchRevision(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.configure(t, "ours", "")
	for _, number := range []int64{-1, 0, 2} {
		_, err := desk.DescribeConfigurationRevision(t.Context(),
			&kafka.DescribeConfigurationRevisionInput{Arn: &arn, Revision: &number})
		refusedFor(t, err, "revision", "Its latest is 1.")
	}
}

func TestDeleteConfiguration_RefusesWhileAClusterIsOnIt(t *testing.T) {
	desk := openFrontDesk(t)
	arn := desk.configure(t, "ours", "num.partitions=3")
	p := threeBrokers()
	p.ConfigurationInfo = &types.ConfigurationInfo{Arn: &arn, Revision: aws.Int64(1)}
	if _, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{
		ClusterName: aws.String("orders"), Provisioned: &p,
	}); err != nil {
		t.Fatal(err)
	}
	_, err := desk.DeleteConfiguration(t.Context(), &kafka.DeleteConfigurationInput{Arn: &arn})
	refusedFor(t, err, "arn", "Configuration is in use by one or more clusters")
	desk.wantText(t, arn, 1, []byte("num.partitions=3"))

	if err := desk.records.ForgetCluster(t.Context(), desk.recorded(t, "orders").ID); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.DeleteConfiguration(t.Context(), &kafka.DeleteConfigurationInput{Arn: &arn}); err != nil {
		t.Errorf("with the cluster gone: %v", err)
	}
}

func TestCreateCluster_RunsOnAConfiguration(t *testing.T) {
	desk := openFrontDesk(t)
	small := desk.configure(t, "small", "log.segment.bytes=1000")
	custom := desk.configure(t, "custom", "custom.advertised.listeners=CLIENT://a:9000+{broker_id}")
	plain, err := desk.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name: aws.String("plain"), KafkaVersions: []string{"4.0.x.kraft"}, ServerProperties: []byte("num.partitions=3"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		arn      string
		revision int64
		version  string
		telling  string // of the refusal; empty when the cluster is created
	}{
		{"as it is meant", *plain.Arn, 1, "4.0.x.kraft", ""},
		{"of another version", *plain.Arn, 1, "4.1.x.kraft", "is for the Kafka versions [4.0.x.kraft], not for 4.1.x.kraft"},
		{"in a revision that does not exist", *plain.Arn, 2, "4.0.x.kraft", "has no revision 2"},
		{"that does not exist", strings.Replace(small, "/small/", "/large/", 1), 1, "4.0.x.kraft", "Configuration ARN does not exist"},
		{"whose ARN is none", "small", 1, "4.0.x.kraft", "Invalid Configuration ARN."},
		{"that keeps Kafka 4 from starting", small, 1, "4.0.x.kraft", "log.segment.bytes to 1000"},
		{"that only Kafka 4 would not start with", small, 1, "3.9.x.kraft", ""},
		{"with custom addresses", custom, 1, "4.0.x.kraft", "custom.advertised.listeners, which Millrace does not support"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := threeBrokers()
			p.KafkaVersion = &tt.version
			p.ConfigurationInfo = &types.ConfigurationInfo{Arn: &tt.arn, Revision: &tt.revision}
			name := strings.ReplaceAll(tt.name, " ", "-")
			_, err := desk.CreateClusterV2(t.Context(), &kafka.CreateClusterV2Input{ClusterName: &name, Provisioned: &p})
			if tt.telling != "" {
				refusedFor(t, err, "configurationInfo", tt.telling)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ref := desk.recorded(t, name).Spec.Configuration; ref == nil || ref.ARN != tt.arn || ref.Revision != tt.revision {
				t.Errorf("the cluster runs on %+v", ref)
			}
		})
	}
}

// configure creates a configuration and gives its ARN.
func (d *frontDesk) configure(t *testing.T, name, text string) string {
	t.Helper()
	created, err := d.CreateConfiguration(t.Context(), &kafka.CreateConfigurationInput{
		Name: &name, ServerProperties: []byte(text),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *created.Arn
}

// wantText checks the text of one revision, byte for byte.
func (d *frontDesk) wantText(t *testing.T, arn string, revision int64, want []byte) {
	t.Helper()
	got, err := d.DescribeConfigurationRevision(t.Context(),
		&kafka.DescribeConfigurationRevisionInput{Arn: &arn, Revision: &revision})
	if err != nil {
		t.Fatal(err)
	}
	if *got.Arn != arn || *got.Revision != revision || got.ServerProperties == nil || !bytes.Equal(got.ServerProperties, want) {
		t.Errorf("revision %d is %+v, want the text %q", revision, got, want)
	}
}

// refusedFor wants a BadRequest that names the member at fault.
func refusedFor(t *testing.T, err error, parameter, tellingPart string) {
	t.Helper()
	refused(t, err, "BadRequestException", tellingPart)
	var bad *types.BadRequestException
	if errors.As(err, &bad) && aws.ToString(bad.InvalidParameter) != parameter {
		t.Errorf("it blames %q, want %q", aws.ToString(bad.InvalidParameter), parameter)
	}
}
