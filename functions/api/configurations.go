package api

import (
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/records"
	"github.com/millrace/millrace/shared/serverproperties"
)

// MSK's limits.
const (
	maxConfigurations = 100
	maxRevisions      = 50
	maxDescription    = 1024 // characters
)

func (a *API) createConfiguration(
	ctx context.Context, in *kafka.CreateConfigurationInput,
) (*kafka.CreateConfigurationOutput, error) {
	if err := a.checkCreateConfiguration(ctx, in); err != nil {
		return nil, err
	}
	id, err := mskapi.NewID(a.Random)
	if err != nil {
		return nil, err
	}
	first := cluster.Revision{
		Number:           1,
		CreatedAt:        a.now(),
		Description:      aws.ToString(in.Description),
		ServerProperties: in.ServerProperties,
	}
	c := cluster.Configuration{
		ID:            id,
		Name:          *in.Name,
		ARN:           a.scope.ConfigurationARN(*in.Name, id),
		CreatedAt:     first.CreatedAt,
		Description:   first.Description,
		KafkaVersions: in.KafkaVersions,
		Latest:        first,
	}
	c.Latest.ServerProperties = nil
	err = a.Records.CreateConfiguration(ctx, c, first)
	if errors.Is(err, records.ErrNameTaken) {
		return nil, mskapi.Conflict("name", "A resource with this name already exists.")
	}
	if err != nil {
		return nil, err
	}
	return &kafka.CreateConfigurationOutput{
		Arn:            aws.String(c.ARN),
		CreationTime:   aws.Time(c.CreatedAt),
		LatestRevision: revisionSummary(c.Latest),
		Name:           aws.String(c.Name),
		State:          types.ConfigurationStateActive,
	}, nil
}

func (a *API) checkCreateConfiguration(ctx context.Context, in *kafka.CreateConfigurationInput) error {
	if err := nameIsValid("name", "configuration", *in.Name); err != nil {
		return err
	}
	if err := descriptionIsValid(in.Description); err != nil {
		return err
	}
	if err := versionsAreKnown(in.KafkaVersions); err != nil {
		return err
	}
	if _, err := serverproperties.Parse(in.ServerProperties); err != nil {
		return err
	}
	// Two callers at once can both see the last free place. One configuration too many does no harm.
	existing, err := a.Records.Configurations(ctx, "", maxConfigurations)
	if err != nil {
		return err
	}
	if len(existing) >= maxConfigurations {
		return mskapi.BadRequest("", "An account has at most %d configurations.", maxConfigurations)
	}
	return nil
}

func (a *API) describeConfiguration(
	ctx context.Context, in *kafka.DescribeConfigurationInput,
) (*kafka.DescribeConfigurationOutput, error) {
	c, err := a.configuration(ctx, "arn", *in.Arn)
	if err != nil {
		return nil, err
	}
	d := description(c)
	return &kafka.DescribeConfigurationOutput{
		Arn:            d.Arn,
		CreationTime:   d.CreationTime,
		Description:    d.Description,
		KafkaVersions:  d.KafkaVersions,
		LatestRevision: d.LatestRevision,
		Name:           d.Name,
		State:          d.State,
	}, nil
}

func (a *API) listConfigurations(
	ctx context.Context, in *kafka.ListConfigurationsInput,
) (*kafka.ListConfigurationsOutput, error) {
	// Twice the limit, because callers who create at the same moment can pass it by a few.
	all, err := a.Records.Configurations(ctx, "", 2*maxConfigurations)
	if err != nil {
		return nil, err
	}
	byName := func(c cluster.Configuration) string { return c.Name }
	page, next, err := paginate(ctx, all, byName, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &kafka.ListConfigurationsOutput{Configurations: make([]types.Configuration, len(page)), NextToken: next}
	for i, c := range page {
		out.Configurations[i] = description(c)
	}
	return out, nil
}

// deleteConfiguration answers DELETING, as MSK does, although nothing is left to be done by then: the next call finds the
// configuration gone.
func (a *API) deleteConfiguration(
	ctx context.Context, in *kafka.DeleteConfigurationInput,
) (*kafka.DeleteConfigurationOutput, error) {
	c, err := a.configuration(ctx, "arn", *in.Arn)
	if err != nil {
		return nil, err
	}
	err = a.Records.ForgetConfiguration(ctx, c.ID, func(c cluster.Configuration) error {
		return a.isDetached(ctx, c)
	})
	if fault.Is(err, fault.NotFound) {
		return nil, noSuchConfiguration("arn")
	}
	if err != nil {
		return nil, err
	}
	return &kafka.DeleteConfigurationOutput{Arn: in.Arn, State: types.ConfigurationStateDeleting}, nil
}

// isDetached refuses a configuration that any cluster runs on, whatever state that cluster is in: one that FAILED can be
// resumed.
func (a *API) isDetached(ctx context.Context, c cluster.Configuration) error {
	clusters, err := a.Records.AllClusters(ctx)
	if err != nil {
		return err
	}
	for _, attached := range clusters {
		if ref := attached.Spec.Configuration; ref != nil && ref.ARN == c.ARN {
			return mskapi.BadRequest("arn", "Configuration is in use by one or more clusters, among them %s. "+
				"Dissociate the configuration from the clusters.", attached.Name)
		}
	}
	return nil
}

// configuration gives the configuration an ARN names; param is the member that carries it. What is not there is a
// BadRequest, not a NotFound: Terraform takes only this text for "the configuration is gone". An ARN of another region or
// account is malformed to us, so that nobody forgets a configuration that exists elsewhere.
func (a *API) configuration(ctx context.Context, param, arn string) (cluster.Configuration, error) {
	name, err := a.scope.ParseConfiguration(param, arn)
	if err != nil {
		return cluster.Configuration{}, mskapi.BadRequest(param, "Invalid Configuration ARN. %s", reason(err))
	}
	c, err := a.Records.Configuration(ctx, name.ID)
	if fault.Is(err, fault.NotFound) || err == nil && c.ARN != arn {
		return cluster.Configuration{}, noSuchConfiguration(param)
	}
	return c, err
}

func noSuchConfiguration(param string) error {
	return mskapi.BadRequest(param, "Configuration ARN does not exist.")
}

// reason is what an API error says to people, without its code.
func reason(err error) string {
	var e *mskapi.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// description is a configuration as MSK shows it. All its members are required there, so none is left out when empty.
func description(c cluster.Configuration) types.Configuration {
	return types.Configuration{
		Arn:            aws.String(c.ARN),
		CreationTime:   aws.Time(c.CreatedAt),
		Description:    aws.String(c.Description),
		KafkaVersions:  append([]string{}, c.KafkaVersions...),
		LatestRevision: revisionSummary(c.Latest),
		Name:           aws.String(c.Name),
		State:          types.ConfigurationStateActive,
	}
}

func descriptionIsValid(text *string) error {
	if n := utf8.RuneCountInString(aws.ToString(text)); n > maxDescription {
		return mskapi.BadRequest("description", "A description has at most %d characters, not %d.", maxDescription, n)
	}
	return nil
}

// versionsAreKnown takes every name that MSK has ever given a version, whether it is run here or not: files of years keep
// listing them beside the one that their clusters run.
func versionsAreKnown(versions []string) error {
	if err := areDistinct("kafkaVersions", versions); err != nil {
		return err
	}
	valid := kafkaversion.Names()
	for _, version := range versions {
		if !slices.Contains(valid, version) {
			return mskapi.BadRequest("kafkaVersions", "Unsupported KafkaVersion [%s]. Valid values: %v", version, valid)
		}
	}
	return nil
}
