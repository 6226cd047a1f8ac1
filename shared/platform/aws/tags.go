package aws

// Tags that everything has which Millrace makes in an account, whatever the service: whose it is, and of which cluster.
const (
	DeploymentTag = "millrace:deployment"
	ClusterTag    = "millrace:cluster"
)
