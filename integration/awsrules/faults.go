package awsrules

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
)

// Kind is a way in which calls fail.
type Kind string

const (
	// Throttle refuses a call because there were too many.
	Throttle Kind = "throttle"
	// Capacity refuses a call because AWS has no room.
	Capacity Kind = "capacity"
	// AccessDenied refuses a call because the caller may not make it.
	AccessDenied Kind = "access denied"
	// LostAnswer carries a call out and drops the connection.
	LostAnswer Kind = "lost answer"
	// ServerError answers with a fault of the service.
	ServerError Kind = "server error"
)

type injected struct {
	kind  Kind
	times int
}

// Fail makes the next calls of a name (ec2:RunInstances) fail, so many times. The SDK tries a call three times.
func (r *Rules) Fail(name string, kind Kind, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[name] = append(r.faults[name], &injected{kind, times})
}

// Struck is how many calls of a name have failed so far because they were made to.
func (r *Rules) Struck(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.troubled[name]
}

// Heal ends all faults.
func (r *Rules) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.faults)
}

// strike tells whether a call fails, and how.
func (r *Rules) strike(name string) (Kind, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults[name] {
		if f.times > 0 {
			f.times--
			r.troubled[name]++
			return f.kind, true
		}
	}
	return "", false
}

// HasCapacityErrors tells whether a call can fail because AWS has no room.
func HasCapacityErrors(name string) bool {
	_, ok := capacity[name]
	return ok
}

// capacity is what EC2 says when it has no room, by the call that asks for it.
var capacity = map[string]refused{
	"ec2:RunInstances": {
		http.StatusInternalServerError, "InsufficientInstanceCapacity",
		"We currently do not have sufficient capacity in the Availability Zone you requested.",
	},
	"ec2:CreateVolume": {
		http.StatusInternalServerError, "InsufficientVolumeCapacity",
		"There is not enough capacity to fulfill your EBS volume provision request.",
	},
	"ec2:CreateNetworkInterface": {
		http.StatusBadRequest, "InsufficientFreeAddressesInSubnet",
		"The specified subnet does not have enough free addresses to satisfy the request.",
	},
}

// refused is what a service says instead of doing what it was asked.
type refused struct {
	status        int
	code, message string
}

// refusal is how a service words a fault. Each has codes of its own, and a format.
func refusal(kind Kind, q request) answer {
	r := refused{http.StatusInternalServerError, "InternalServerError", "An internal error has occurred."}
	switch kind {
	case Throttle:
		r = refused{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}
	case AccessDenied:
		r = refused{
			http.StatusBadRequest, "AccessDeniedException",
			fmt.Sprintf("User: arn:aws:sts::123456789012:assumed-role/test is not authorized to perform: %s", q.Name()),
		}
	case Capacity:
		r = capacity[q.Name()]
	case ServerError, LostAnswer:
	}
	switch q.Service {
	case "ec2":
		return ofEC2(kind, r)
	case "route53":
		return ofRoute53(kind, r)
	}
	if q.cbor {
		return inCBOR(r)
	}
	body, err := json.Marshal(map[string]string{"__type": r.code, "message": r.message})
	if err != nil {
		panic(err) // two strings
	}
	return answer{r.status, http.Header{
		"Content-Type": {"application/x-amz-json-1.0"},
		"X-Amz-Crc32":  {strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}, // DynamoDB's clients look at it
	}, body}
}

func ofEC2(kind Kind, r refused) answer {
	switch kind {
	case Throttle:
		r = refused{http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded."}
	case AccessDenied:
		r = refused{http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. " + r.message}
	case ServerError:
		r.code = "InternalError"
	case Capacity, LostAnswer:
	}
	return r.inEC2()
}

func (r refused) inEC2() answer {
	body := fmt.Sprintf("<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>",
		escaped(r.code), escaped(r.message), requestID)
	return answer{r.status, http.Header{"Content-Type": {"text/xml"}}, []byte(body)}
}

func ofRoute53(kind Kind, r refused) answer {
	switch kind {
	case Throttle:
		r.code = "Throttling"
	case AccessDenied:
		r.status, r.code = http.StatusForbidden, "AccessDenied"
	case ServerError:
		r.code = "InternalFailure"
	case Capacity, LostAnswer:
	}
	body := fmt.Sprintf(`<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>%s</Code>`+
		`<Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`, escaped(r.code), escaped(r.message), requestID)
	return answer{r.status, http.Header{"Content-Type": {"text/xml"}}, []byte(body)}
}

// inCBOR words a refusal for Smithy's RPC protocol: a map of two texts.
func inCBOR(r refused) answer {
	text := func(b []byte, s string) []byte {
		b = append(b, 0x79, byte(len(s)>>8), byte(len(s))) // a text whose length takes two bytes
		return append(b, s...)
	}
	body := []byte{0xa2}
	for _, s := range []string{"__type", r.code, "message", r.message} {
		body = text(body, s)
	}
	return answer{r.status, http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}, body}
}

const requestID = "00000000-0000-4000-8000-000000000000"
