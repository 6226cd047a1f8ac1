package statemachines_test

// The way of a growth in which all goes well.
var growPath = []string{
	"BeginOperation", "RenewKafkaAccess", "GrowVolume", "CheckVolumeGrown", "HasVolumeGrown", "WriteNodeSpec",
	"CheckNodeJoined", "HasNodeJoined", "CheckBrokerInSync", "IsBrokerInSync", "EndOperation", "HasSucceeded", "Succeeded",
}
