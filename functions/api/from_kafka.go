package api

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/shared/errand"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/mskapi"
)

// What Kafka says by its own names, and what MSK calls it, with the member that is at fault. An operation that does not model one of
// these exceptions answers with another: see mskapi.FromError.
var kafkaErrors = map[string]struct {
	code      mskapi.Code
	parameter string
}{
	"TOPIC_ALREADY_EXISTS":       {mskapi.CodeTopicExists, "topicName"},
	"INVALID_TOPIC_EXCEPTION":    {mskapi.CodeBadRequest, "topicName"},
	"INVALID_PARTITIONS":         {mskapi.CodeBadRequest, "partitionCount"},
	"INVALID_REPLICATION_FACTOR": {mskapi.CodeBadRequest, "replicationFactor"},
	"INVALID_CONFIG":             {mskapi.CodeBadRequest, "configs"},

	// Not UnknownTopicOrPartitionException: Terraform's provider takes NotFoundException alone for a topic that is gone.
	"UNKNOWN_TOPIC_OR_PARTITION": {mskapi.CodeNotFound, "topicName"},
	"UNKNOWN_TOPIC_ID":           {mskapi.CodeNotFound, "topicName"},

	"BROKER_NOT_AVAILABLE":      {mskapi.CodeClusterConnectivity, ""},
	"REQUEST_TIMED_OUT":         {mskapi.CodeKafkaTimeout, ""},
	"NOT_CONTROLLER":            {mskapi.CodeNotController, ""},
	"STALE_CONTROLLER_EPOCH":    {mskapi.CodeControllerMoved, ""},
	"THROTTLING_QUOTA_EXCEEDED": {mskapi.CodeTooManyRequests, ""},
	"REASSIGNMENT_IN_PROGRESS":  {mskapi.CodeReassignmentInProgress, ""},
	"GROUP_SUBSCRIBED_TO_TOPIC": {mskapi.CodeGroupSubscribedToTopic, ""},

	"GROUP_ID_NOT_FOUND":        {mskapi.CodeNotFound, "group"},
	"NON_EMPTY_GROUP":           {mskapi.CodeBadRequest, "group"},
	"COORDINATOR_NOT_AVAILABLE": {mskapi.CodeServiceUnavailable, ""},
	"LEADER_NOT_AVAILABLE":      {mskapi.CodeServiceUnavailable, ""},
}

// fromKafka puts a no of Kafka's into MSK's words. The log gets Kafka's name of it as well, and Kafka's words where the answer has
// others.
func fromKafka(err error) error {
	reason := fault.ReasonOf(err)
	if reason == "" {
		return err
	}
	said := answerTo(reason, err)
	if said == nil {
		return err
	}
	if strings.Contains(said.Message, err.Error()) {
		return fmt.Errorf("%w (%s)", said, reason)
	}
	return fmt.Errorf("%w (%s: %v)", said, reason, err) //nolint:errorlint // the answer is what it is; what led to it is for the log
}

// answerTo gives the answer to a reason; nil where a plain fault says enough.
func answerTo(reason string, err error) *mskapi.Error {
	var coded *fault.Error
	errors.As(err, &coded) // an error with a reason is one
	known, ok := kafkaErrors[reason]
	switch {
	case reason == errand.NoAccess:
		return mskapi.ServiceUnavailable("The control plane's access to the cluster's brokers is being renewed. Please try again.")
	case ok && known.code == mskapi.CodeClusterConnectivity:
		// Not in the words of the one who tried: they are about addresses that are nobody's business.
		return mskapi.NewError(known.code, "", "No broker of the cluster answers.")
	case ok && known.code == mskapi.CodeKafkaTimeout:
		return mskapi.NewError(known.code, "", "The brokers of the cluster did not answer in time. It may still have been done.")
	case ok:
		return mskapi.NewError(known.code, known.parameter, "%s", coded.Message)
	case coded.Code == fault.Unavailable, coded.Code == fault.Internal:
		return nil
	default:
		return mskapi.NewError(mskapi.CodeKafkaRequest, coded.Parameter, "Kafka refused it: %s: %s", reason, coded.Message)
	}
}
