package api

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/serverproperties"
)

// updateConfiguration appends a revision; the ones before stay as they are, and clusters stay on theirs. The description
// is the new revision's own: without one it has none.
func (a *API) updateConfiguration(
	ctx context.Context, in *kafka.UpdateConfigurationInput,
) (*kafka.UpdateConfigurationOutput, error) {
	c, err := a.configuration(ctx, "arn", *in.Arn)
	if err != nil {
		return nil, err
	}
	if err := descriptionIsValid(in.Description); err != nil {
		return nil, err
	}
	if _, err := serverproperties.Parse(in.ServerProperties); err != nil {
		return nil, err
	}
	c, err = a.Records.AppendRevision(ctx, c.ID, func(_ cluster.Configuration, next *cluster.Revision) error {
		if next.Number > maxRevisions { // none is ever removed, so the number is also the count
			return mskapi.BadRequest("", "A configuration has at most %d revisions.", maxRevisions)
		}
		next.CreatedAt = a.now()
		next.Description = aws.ToString(in.Description)
		next.ServerProperties = in.ServerProperties
		return nil
	})
	if fault.Is(err, fault.NotFound) { // deleted in the meantime
		return nil, noSuchConfiguration("arn")
	}
	if err != nil {
		return nil, err
	}
	return &kafka.UpdateConfigurationOutput{Arn: in.Arn, LatestRevision: revisionSummary(c.Latest)}, nil
}

func (a *API) describeConfigurationRevision(
	ctx context.Context, in *kafka.DescribeConfigurationRevisionInput,
) (*kafka.DescribeConfigurationRevisionOutput, error) {
	c, err := a.configuration(ctx, "arn", *in.Arn)
	if err != nil {
		return nil, err
	}
	r, err := a.revision(ctx, "revision", c, *in.Revision)
	if err != nil {
		return nil, err
	}
	return &kafka.DescribeConfigurationRevisionOutput{
		Arn:              aws.String(c.ARN),
		CreationTime:     aws.Time(r.CreatedAt),
		Description:      textOrUnset(r.Description),
		Revision:         aws.Int64(r.Number),
		ServerProperties: append([]byte{}, r.ServerProperties...), // an empty text is an answer, nil would be none
	}, nil
}

func (a *API) listConfigurationRevisions(
	ctx context.Context, in *kafka.ListConfigurationRevisionsInput,
) (*kafka.ListConfigurationRevisionsOutput, error) {
	c, err := a.configuration(ctx, "arn", *in.Arn)
	if err != nil {
		return nil, err
	}
	all, err := a.Records.Revisions(ctx, c.ID, 0, maxRevisions)
	if err != nil {
		return nil, err
	}
	byNumber := func(r cluster.Revision) string { return fmt.Sprintf("%010d", r.Number) }
	page, next, err := paginate(ctx, all, byNumber, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &kafka.ListConfigurationRevisionsOutput{Revisions: make([]types.ConfigurationRevision, len(page)), NextToken: next}
	for i, r := range page {
		out.Revisions[i] = *revisionSummary(r)
	}
	return out, nil
}

// revision gives one revision of a configuration that exists; param is the member that carries the number.
func (a *API) revision(
	ctx context.Context, param string, c cluster.Configuration, number int64,
) (cluster.Revision, error) {
	r, err := a.Records.Revision(ctx, c.ID, number)
	if fault.Is(err, fault.NotFound) {
		return cluster.Revision{}, mskapi.BadRequest(param,
			"The configuration %s has no revision %d. Its latest is %d.", c.Name, number, c.Latest.Number)
	}
	return r, err
}

// revisionSummary is a revision as lists show it: without its text.
func revisionSummary(r cluster.Revision) *types.ConfigurationRevision {
	return &types.ConfigurationRevision{
		CreationTime: aws.Time(r.CreatedAt),
		Description:  textOrUnset(r.Description),
		Revision:     aws.Int64(r.Number),
	}
}

// textOrUnset leaves an empty text out of an answer.
func textOrUnset(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
