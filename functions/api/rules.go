package api

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kafka/types"

	"github.com/millrace/millrace/shared/mskapi"
)

// rule is one thing MSK demands of a new cluster: nil, or the refusal. Members the model requires are there.
type rule func(types.ProvisionedRequest) error

// rules of a create request, in the order in which a request with several faults hears of them: what a cluster is made
// of first, how it is reached after that, what watches it last. They know nothing of what Millrace has built.
var rules = []rule{
	subnetsAreDistinct,
	subnetsAreTwoOrThree,
	instanceTypeIsKnown,
	expressHasThreeSubnets,
	versionIsOffered,
	smallestTypeIsNotForKRaft,
	versionRunsOnExpress,
	brokersFillEveryZone,
	brokersAreWithinLimit,
	securityGroupsAreDistinct,
	securityGroupsAreIDs,
	expressHasNoStorage,
	expressHasNoStorageMode,
	smallestTypeIsNotTiered,
	volumeSizeIsInRange,
	throughputIsEnabledFirst,
	throughputFitsItsBroker,
	someAuthenticationIsLeft,
	authenticationHasTLS,
	authenticationHasTLSInCluster,
	saslBesidePlaintextIsExplicit,
	certificateAuthoritiesAreARNs,
	accessStartsPrivate,
	vpcConnectivityStartsOff,
	rebalancingIsForExpress,
	loggingHasDestination,
	loggingDestinationsHaveNames,
	monitoringHasExporter,
}

func checkRules(p types.ProvisionedRequest) error {
	for _, check := range rules {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

func areDistinct(parameter string, items []string) error {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			return mskapi.BadRequest(parameter, "The list provided contains duplicate items: %s.", item)
		}
	}
	return nil
}

// isOff tells an explicit false from a member that is not set.
func isOff(b *bool) bool { return b != nil && !*b }
