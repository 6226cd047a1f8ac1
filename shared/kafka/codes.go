package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace/millrace/shared/fault"
)

// codes are the errors of Kafka and of its client that mean something to us. Every other one is Internal.
var codes = map[error]fault.Code{
	sarama.ErrUnknownTopicOrPartition: fault.NotFound,
	sarama.ErrGroupIDNotFound:         fault.NotFound,
	sarama.ErrUnknownMemberId:         fault.NotFound,

	// It can never succeed as asked for.
	sarama.ErrInvalidTopic:             fault.Invalid,
	sarama.ErrInvalidConfig:            fault.Invalid,
	sarama.ErrInvalidRequest:           fault.Invalid,
	sarama.ErrInvalidPartitions:        fault.Invalid,
	sarama.ErrInvalidReplicationFactor: fault.Invalid,
	sarama.ErrInvalidReplicaAssignment: fault.Invalid,
	sarama.ErrInvalidGroupId:           fault.Invalid,
	sarama.ErrInvalidTimestamp:         fault.Invalid,
	sarama.ErrOffsetMetadataTooLarge:   fault.Invalid,
	sarama.ErrPolicyViolation:          fault.Invalid,
	sarama.ErrTopicDeletionDisabled:    fault.Invalid,
	sarama.ErrUnsupportedVersion:       fault.Invalid,

	// Something else stands in the way.
	sarama.ErrTopicAlreadyExists:     fault.Conflict,
	sarama.ErrReassignmentInProgress: fault.Conflict,
	sarama.ErrNonEmptyGroup:          fault.Conflict,
	sarama.ErrGroupSubscribedToTopic: fault.Conflict,
	sarama.ErrUnstableOffsetCommit:   fault.Conflict,

	// Kafka is there, and not ready to answer this.
	sarama.ErrLeaderNotAvailable:              fault.Unavailable,
	sarama.ErrNotLeaderForPartition:           fault.Unavailable,
	sarama.ErrRequestTimedOut:                 fault.Unavailable,
	sarama.ErrBrokerNotAvailable:              fault.Unavailable,
	sarama.ErrReplicaNotAvailable:             fault.Unavailable,
	sarama.ErrStaleControllerEpochCode:        fault.Unavailable,
	sarama.ErrNetworkException:                fault.Unavailable,
	sarama.ErrOffsetsLoadInProgress:           fault.Unavailable,
	sarama.ErrConsumerCoordinatorNotAvailable: fault.Unavailable,
	sarama.ErrNotCoordinatorForConsumer:       fault.Unavailable,
	sarama.ErrRebalanceInProgress:             fault.Unavailable,
	sarama.ErrNotController:                   fault.Unavailable,
	sarama.ErrKafkaStorageError:               fault.Unavailable,
	sarama.ErrStaleBrokerEpoch:                fault.Unavailable,
	sarama.ErrFencedLeaderEpoch:               fault.Unavailable,
	sarama.ErrUnknownLeaderEpoch:              fault.Unavailable,
	sarama.ErrOffsetNotAvailable:              fault.Unavailable,
	sarama.ErrThrottlingQuotaExceeded:         fault.Unavailable,
	sarama.ErrPreferredLeaderNotAvailable:     fault.Unavailable,
	sarama.ErrEligibleLeadersNotAvailable:     fault.Unavailable,

	// It is not there.
	sarama.ErrOutOfBrokers:           fault.Unavailable,
	sarama.ErrBrokerNotFound:         fault.Unavailable,
	sarama.ErrClosedClient:           fault.Unavailable,
	sarama.ErrNotConnected:           fault.Unavailable,
	sarama.ErrControllerNotAvailable: fault.Unavailable,
	io.EOF:                           fault.Unavailable,
	io.ErrUnexpectedEOF:              fault.Unavailable,
	net.ErrClosed:                    fault.Unavailable,
}

// What Kafka calls it that nobody can be reached, or takes too long. Nobody who can't be reached says so himself.
const (
	reasonUnreachable = "BROKER_NOT_AVAILABLE"
	reasonTimedOut    = "REQUEST_TIMED_OUT"
)

// unreachable says that no broker can be asked.
func unreachable(err error) error {
	return fault.Refused(fault.Unavailable, reasonUnreachable, "%w", err)
}

// timedOut says what has taken longer than a context allows.
func timedOut(ctx context.Context, format string, args ...any) error {
	return fault.Refused(fault.Unavailable, reasonTimedOut, "%s: %w", fmt.Errorf(format, args...), context.Cause(ctx))
}

// refused is a no of Kafka's: what was to be done, and what the broker said about it in its own words, if it did. Its reason is
// Kafka's name of the error.
func refused(no sarama.KError, said *string, format string, args ...any) error {
	words := kerr.TypedErrorForCode(int16(no)).Description
	if said != nil && *said != "" {
		words = *said
	}
	return fault.Refused(codeOf(no), nameOf(no), "%s: %s", fmt.Sprintf(format, args...), words)
}

// asKafka is a no by Kafka's name and code of somebody who can say more than Kafka does.
func asKafka(no sarama.KError, format string, args ...any) error {
	return fault.Refused(codeOf(no), nameOf(no), format, args...)
}

// noTopic says that there is no topic of a name, in other words than Kafka's: those are about the partitions of a server.
func noTopic(name string) error {
	return asKafka(sarama.ErrUnknownTopicOrPartition, "there is no topic %s", name)
}

// noOfTopic is noOf for what concerns one topic, which may not be there.
func noOfTopic(name string, no sarama.KError, said *string, format string, args ...any) error {
	if no == sarama.ErrUnknownTopicOrPartition {
		return noTopic(name)
	}
	return noOf(no, said, format, args...)
}

// nameOf is how Kafka calls an error.
func nameOf(no sarama.KError) string { return kerr.TypedErrorForCode(int16(no)).Message }

// coded gives an error of the client the code that we know for it, and Kafka's name where it is one of Kafka's.
func coded(err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	reason := ""
	var no sarama.KError
	var timeout net.Error
	switch {
	case errors.As(err, &no):
		reason = nameOf(no)
	case errors.As(err, &timeout) && timeout.Timeout():
		reason = reasonTimedOut
	}
	return fault.Refused(codeOf(err), reason, "%w", err)
}

func codeOf(err error) fault.Code {
	for outside, code := range codes {
		if errors.Is(err, outside) {
			return code
		}
	}
	var connection *net.OpError
	var timeout net.Error
	switch {
	case errors.As(err, &connection) && !isAlert(connection):
		return fault.Unavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.Unavailable
	}
	return fault.CodeOf(err)
}

// isAlert tells whether the other side has answered, and refused us: TLS says so in the same type as the network does.
func isAlert(err *net.OpError) bool { return err.Op == "remote error" }

// noOf is nil where Kafka has not said no, and what it has refused otherwise.
func noOf(no sarama.KError, said *string, format string, args ...any) error {
	if no == sarama.ErrNoError {
		return nil
	}
	return refused(no, said, format, args...)
}
