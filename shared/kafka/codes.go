package kafka

import (
	"errors"
	"io"
	"net"

	"github.com/IBM/sarama"

	"github.com/millrace/millrace/shared/fault"
)

// codes are the errors of Kafka and of its client that mean something to us. Every other one is Internal.
var codes = map[error]fault.Code{
	sarama.ErrUnknownTopicOrPartition: fault.NotFound,
	sarama.ErrInvalidTopic:            fault.Invalid,
	sarama.ErrInvalidConfig:           fault.Invalid,
	sarama.ErrInvalidRequest:          fault.Invalid,
	sarama.ErrPolicyViolation:         fault.Invalid,
	sarama.ErrTopicAlreadyExists:      fault.Conflict,
	sarama.ErrReassignmentInProgress:  fault.Conflict,

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
	sarama.ErrNotController:                   fault.Unavailable,
	sarama.ErrKafkaStorageError:               fault.Unavailable,
	sarama.ErrStaleBrokerEpoch:                fault.Unavailable,
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

// coded gives an error of the client the code that we know for it.
func coded(err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.New(codeOf(err), "%w", err)
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
