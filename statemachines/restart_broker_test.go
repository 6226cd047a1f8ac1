package statemachines_test

// The way of a restart in which all goes well.
var restartPath = []string{
	"BeginOperation", "RenewKafkaAccess", "JudgeReplacement", "IsSafeToRestart", "WriteNodeSpec", "IsStillToRestart",
	"CheckNodeJoined", "HasNodeJoined", "CheckBrokerInSync", "IsBrokerInSync", "EndOperation", "HasSucceeded", "Succeeded",
}
