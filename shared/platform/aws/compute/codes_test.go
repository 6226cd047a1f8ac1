package compute

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/millrace/millrace/shared/fault"
)

// What AWS has no room for may come later, and whoever waits for it reads what to do.
func TestFailure_SaysWhatIsMissingAndWhatToDo(t *testing.T) {
	const subject = "m7g.large in use1-az1"
	for code, want := range map[string]string{
		"InsufficientInstanceCapacity":            "AWS has no m7g.large in use1-az1 left",
		"InsufficientFreeAddressesInSubnet":       "no IP address is free for m7g.large in use1-az1",
		"VcpuLimitExceeded":                       "Running On-Demand Standard instances",
		"VolumeLimitExceeded":                     "Storage for General Purpose SSD (gp3) volumes",
		"NetworkInterfaceLimitExceeded":           "Network interfaces per Region",
		"SecurityGroupsPerInterfaceLimitExceeded": "Security groups per network interface",
		"RequestLimitExceeded":                    "RequestLimitExceeded",
		"PriorRequestNotComplete":                 "PriorRequestNotComplete",
		"InvalidInstanceID.NotFound":              "InvalidInstanceID.NotFound",
	} {
		err := failure(&smithy.GenericAPIError{Code: code, Message: "of AWS"}, subject)
		if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%s becomes %s: %v; want Unavailable with %q", code, fault.CodeOf(err), err, want)
		}
	}
}

func TestFailure_OfATypeThatAZoneDoesNotHaveIsNoBugOfOurs(t *testing.T) {
	said := "Your requested instance type (m7g.large) is not supported in your requested Availability Zone (us-east-1e)."
	err := failure(&smithy.GenericAPIError{Code: "Unsupported", Message: said}, "m7g.large in use1-az3")
	if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), said) {
		t.Errorf("it becomes %s: %v", fault.CodeOf(err), err)
	}
}

func TestFailure_KeepsWhatNobodyKnows(t *testing.T) {
	unknown := errors.New("unknown")
	if err := failure(unknown, "volume"); !errors.Is(err, unknown) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("an unknown error becomes %s: %v", fault.CodeOf(err), err)
	}
	if err := failure(nil, "volume"); err != nil {
		t.Errorf("no error becomes %v", err)
	}
}
