package api

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/millrace/millrace/shared/aasapi"
	"github.com/millrace/millrace/shared/accesskey"
	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
	"github.com/millrace/millrace/shared/trace"
)

// Application Auto Scaling is an API of its own, with another wire. Of what it scales, brokers' storage alone is MSK's, and that is
// what it says here. It comes by the same door, with the same keys.

// scalingOperations is what is built of Application Auto Scaling, with the role that each takes. Every other operation of the model is
// refused by name.
func (a *API) scalingOperations() map[string]handler {
	return map[string]handler{
		"DeleteScalingPolicy":       handle(operator, a.deleteScalingPolicy),
		"DeregisterScalableTarget":  handle(operator, a.deregisterScalableTarget),
		"DescribeScalableTargets":   handle(readOnly, a.describeScalableTargets),
		"DescribeScalingActivities": handle(readOnly, a.describeScalingActivities),
		"DescribeScalingPolicies":   handle(readOnly, a.describeScalingPolicies),
		"ListTagsForResource":       handle(readOnly, a.listTagsOfTarget),
		"PutScalingPolicy":          handle(operator, a.putScalingPolicy),
		"RegisterScalableTarget":    handle(operator, a.registerScalableTarget),
		"TagResource":               handle(operator, a.tagTarget),
		"UntagResource":             handle(operator, a.untagTarget),
	}
}

// serveScaling answers a request of Application Auto Scaling, whose caller is known.
func (a *API) serveScaling(ctx context.Context, c *call, r mskapi.Request) (mskapi.Response, error) {
	op, err := aasapi.Match(r)
	if err != nil {
		return mskapi.Response{}, err
	}
	c.operation = mskapi.Operation{Name: "ApplicationAutoScaling." + op.Name}
	trace.Annotate(ctx, "operation", c.operation.Name)
	h, built := a.scaling[op.Name]
	if !built {
		return mskapi.Response{}, aasapi.Invalid("Millrace does not support the operation %s of Application Auto Scaling.", op.Name)
	}
	if err := c.caller.may(op.Name, h.role); err != nil {
		return mskapi.Response{}, err
	}
	c.looks = h.role == accesskey.ReadOnly
	input, err := aasapi.Decode(op, r)
	if err != nil {
		return mskapi.Response{}, err
	}
	output, err := h.answer(ctx, input)
	if err != nil {
		return mskapi.Response{}, err
	}
	response, err := aasapi.Encode(op, r.RequestID, output)
	if err != nil {
		return mskapi.Response{}, err
	}
	return c.tell(response), nil
}

// scalesStorage refuses everything of Application Auto Scaling that is not about brokers' storage. Some requests may leave the
// dimension out.
func scalesStorage(namespace types.ServiceNamespace, dimension types.ScalableDimension) error {
	if namespace != types.ServiceNamespaceKafka {
		return aasapi.Invalid("Millrace scales nothing but %s: ServiceNamespace can't be %q.", types.ServiceNamespaceKafka, namespace)
	}
	if dimension != "" && dimension != types.ScalableDimensionKafkaBrokerStorageVolumeSize {
		return aasapi.Invalid("What of Kafka is scaled is %s: ScalableDimension can't be %q.",
			types.ScalableDimensionKafkaBrokerStorageVolumeSize, dimension)
	}
	return nil
}

// scaledCluster finds the cluster that a request names as its resource; found is false when there is none. What is no ARN of ours is
// refused: nobody may take it for a cluster that is gone.
func (a *API) scaledCluster(ctx context.Context, resource string) (c cluster.Cluster, found bool, err error) {
	c, err = a.clusterOf(ctx, "ResourceId", resource)
	if err == nil {
		return c, true, nil
	}
	if e := mskapi.FromError(mskapi.Operation{ModelsNotFound: true}, "", err); e.Code == mskapi.CodeNotFound {
		return cluster.Cluster{}, false, nil
	}
	return cluster.Cluster{}, false, err
}

// scaled is a cluster with what was said of how its volumes grow.
type scaled struct {
	cluster cluster.Cluster
	said    cluster.StorageScaling
}

// mostNamed is how many things a request of Application Auto Scaling may name to be shown.
const mostNamed = 50

// scaledClusters gives the clusters that a request names, each once, or all of which something was said.
func (a *API) scaledClusters(ctx context.Context, resources []string) ([]scaled, error) {
	if len(resources) == 0 {
		return a.allScaled(ctx)
	}
	if len(resources) > mostNamed {
		return nil, aasapi.Invalid("A request names %d resources at most, not %d.", mostNamed, len(resources))
	}
	var named []scaled
	for i, resource := range resources {
		if slices.Contains(resources[:i], resource) {
			continue
		}
		c, found, err := a.scaledCluster(ctx, resource)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		said, err := a.Records.StorageScaling(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		named = append(named, scaled{c, said})
	}
	return named, nil
}

func (a *API) allScaled(ctx context.Context) ([]scaled, error) {
	all, err := a.Records.AllStorageScaling(ctx)
	if err != nil {
		return nil, err
	}
	var found []scaled
	for _, said := range all {
		c, err := a.Records.Cluster(ctx, said.ClusterID)
		if fault.Is(err, fault.NotFound) { // it goes at this moment
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, scaled{c, said})
	}
	return found, nil
}

// namedWithDimension refuses a dimension without a resource, as Application Auto Scaling does.
func namedWithDimension(dimension types.ScalableDimension, resources int) error {
	if dimension != "" && resources == 0 {
		return aasapi.Invalid("A ScalableDimension is given together with the resource that it is of.")
	}
	return nil
}

// pageOf gives the page of a list that a request of Application Auto Scaling asks for.
func pageOf[T any](
	ctx context.Context, items []T, key func(T) string, most int32, maxResults *int32, nextToken *string,
) ([]T, *string, error) {
	if maxResults == nil {
		maxResults = &most
	}
	if *maxResults < 1 || *maxResults > most {
		return nil, nil, aasapi.Invalid("MaxResults has to be between 1 and %d.", most)
	}
	return paginate(ctx, items, key, maxResults, nextToken)
}
