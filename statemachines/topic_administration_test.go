package statemachines_test

// The way of an application in which all goes well.
var applyPath = []string{
	"BeginOperation", "RenewKafkaAccess", "PlanTopicChanges", "AreChangesPlanned", "ApplyTopicChanges", "AreChangesMade",
	"CheckTopics", "AreTopicsAsDeclared", "EndOperation", "HasSucceeded", "Succeeded",
}
