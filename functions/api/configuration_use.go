package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/kafkaversion"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/serverproperties"
)

// resolveConfiguration asks whether a cluster of this Kafka version, by MSK's name for it, can run on the revision that a
// request names, and gives what the cluster's spec keeps of it: nil when the request names none. Every refusal is a
// BadRequest, for configurationInfo unless nobody knows the version.
//
//  1. The configuration and the revision exist.
//  2. The configuration is meant for this version. One that lists no versions is meant for all.
//  3. Kafka of that version starts with its properties, and Millrace honours all of them.
func (a *API) resolveConfiguration(
	ctx context.Context, info *types.ConfigurationInfo, kafkaVersion string,
) (*cluster.ConfigurationRef, error) {
	if info == nil {
		return nil, nil
	}
	const param = serverproperties.UseParameter
	c, err := a.configuration(ctx, param, aws.ToString(info.Arn))
	if err != nil {
		return nil, err
	}
	r, err := a.revision(ctx, param, c, aws.ToInt64(info.Revision))
	if err != nil {
		return nil, err
	}
	if err := versionFitsConfiguration(kafkaVersion, c); err != nil {
		return nil, err
	}
	properties, err := serverproperties.Parse(r.ServerProperties)
	if err != nil { // it was taken once, so the table has changed since: say so where the caller looks
		return nil, mskapi.BadRequest(param, "Revision %d of the configuration %s can no longer be used: %s", r.Number, c.Name, err)
	}
	version, known := kafkaversion.Lookup(kafkaVersion)
	if !known {
		return nil, mskapi.BadRequest("kafkaVersion", "Unsupported KafkaVersion [%s].", kafkaVersion)
	}
	if err := serverproperties.CheckUse(properties, version.Release); err != nil {
		return nil, err
	}
	return &cluster.ConfigurationRef{ARN: c.ARN, Revision: r.Number}, nil
}
