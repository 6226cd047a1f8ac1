package compute

import (
	"fmt"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/platform/aws"
)

// What EC2 says when something is not there (any more, or not yet).
const (
	noInstance         = "InvalidInstanceID.NotFound"
	malformedInstance  = "InvalidInstanceID.Malformed"
	noVolume           = "InvalidVolume.NotFound"
	noInterface        = "InvalidNetworkInterfaceID.NotFound"
	interfaceInUse     = "InvalidNetworkInterface.InUse"
	volumeInUse        = "VolumeInUse"
	noAttachment       = "InvalidAttachment.NotFound"         // a volume that is to be detached from a host that does not have it
	changedLately      = "VolumeModificationRateExceeded"     // EBS lets a volume be changed so often
	beingChanged       = "IncorrectModificationState"         // a change of the volume has not ended
	neverChanged       = "InvalidVolumeModification.NotFound" // a volume that is as it was made
	notPermitted       = "OperationNotPermitted"              // attaching a volume that is being changed; ending a protected instance
	incorrectState     = "IncorrectState"
	incorrectInstance  = "IncorrectInstanceState"
	invalidValue       = "InvalidParameterValue"        // also: "Network interface … is currently in use."
	otherParameters    = "IdempotentParameterMismatch"  // a client token was used for something else
	instanceTerminated = "IdempotentInstanceTerminated" // a client token was used for an instance that has ended
	invalidChange      = "InvalidChangeBatch"           // Route 53: a record to delete is not there, or is another
	noChange           = "NoSuchChange"                 // Route 53: of long ago
)

// codes are what EC2's and Route 53's own errors mean here. Throttling, faults of the services and refused permissions are
// what all services have in common.
var codes = aws.Codes{
	noVolume:    fault.NotFound,
	noInterface: fault.NotFound,

	// It was seen right before: another part of EC2 knows of it later, or it has just gone. The next look tells.
	noInstance: fault.Unavailable,

	volumeInUse:       fault.Conflict,
	interfaceInUse:    fault.Conflict,
	incorrectState:    fault.Conflict,
	incorrectInstance: fault.Conflict,
	notPermitted:      fault.Conflict,

	// A zone that does not have the instance type, which AWS names both; so it stays until another subnet is chosen.
	"Unsupported":                fault.Invalid,
	"InvalidVolume.ZoneMismatch": fault.Invalid,
	"InvalidGroup.NotFound":      fault.Invalid,
	"InvalidGroupId.Malformed":   fault.Invalid,
	"InvalidSubnetID.NotFound":   fault.Invalid,
	"InvalidSubnet":              fault.Invalid,

	// Other writers of the zone, and more than five requests a second from all of the account.
	"PriorRequestNotComplete": fault.Unavailable,
}

// advice says what somebody can do about capacity that is not there and quotas that are used up; the %s is what was asked
// for. All of it may be there later, so it is Unavailable.
var advice = map[string]string{
	"InsufficientInstanceCapacity":      "AWS has no %s left at the moment: wait, or use another instance type or zone",
	"InsufficientHostCapacity":          "AWS has no %s left at the moment: wait, or use another instance type or zone",
	"InsufficientCapacity":              "AWS has no %s left at the moment: wait, or use another instance type or zone",
	"InsufficientVolumeCapacity":        "AWS has no room for %s at the moment: wait, or use another zone",
	"InsufficientFreeAddressesInSubnet": "no IP address is free for %s: free some in the subnet, or use a larger one",
	"InsufficientAddressCapacity":       "no IP address is free for %s: free some in the subnet, or use a larger one",

	"VcpuLimitExceeded":     "the account's quota of vCPUs is used up, no room for %s: raise the EC2 quota \"Running On-Demand Standard instances\"",
	"InstanceLimitExceeded": "the account's quota of instances is used up, no room for %s: raise the EC2 quota \"Running On-Demand Standard instances\"",
	"VolumeLimitExceeded":   "the account's quota of volumes is used up, no room for %s: raise the EBS quota \"Storage for General Purpose SSD (gp3) volumes\"",
	"MaxIOPSLimitExceeded":  "the account's quota of IOPS is used up, no room for %s: raise EBS's quotas of IOPS",
	"NetworkInterfaceLimitExceeded": "the account's quota of network interfaces is used up, no room for %s: raise the VPC quota " +
		"\"Network interfaces per Region\"",
	"SecurityGroupsPerInterfaceLimitExceeded": "more security groups than the account's quota for %s: name fewer, or raise the VPC quota " +
		"\"Security groups per network interface\"",
	"VolumeModificationSizeLimitExceeded": "the account's quota of volumes under change is used up, no room for %s: wait, or raise the EBS quota " +
		"\"Storage modifications for General Purpose SSD (gp3) volumes, in TiB\"",
	"AttachmentLimitExceeded": "the instance has as many volumes as its type can have, no room for %s",
	"ResourceLimitExceeded":   "a quota of the account is used up, no room for %s",
	"LimitExceeded":           "a quota of the account is used up, no room for %s",
}

// failure gives an error of the SDK its code, and words for what was asked for.
func failure(err error, subject string) error {
	if err == nil {
		return nil
	}
	if text, ok := advice[aws.Code(err)]; ok {
		return fault.New(fault.Unavailable, "%s: %w", fmt.Sprintf(text, subject), err)
	}
	return codes.Fault(err)
}

// is tells whether an error is the answer of one of the codes.
func is(err error, outside ...string) bool {
	code := aws.Code(err)
	for _, c := range outside {
		if err != nil && code == c {
			return true
		}
	}
	return false
}
