// Package events is everything that can start us: one Go type and one sample JSON per trigger.
package events

import "github.com/aws/aws-lambda-go/events"

// APIRequest is a call of the MSK API as an API Gateway REST API hands it to functions/api. A REST API, because it leaves
// %2F in paths as it is, and an ARN in a path can only be told from the path around it, and its signature checked, while
// it is encoded.
//
// It comes by one of two resources: /{proxy+}, whose callers have signed with an access key of ours, and /iam/{proxy+}, whose
// callers IAM has let in; RequestContext.Identity names those. There is a sample of each.
//
// Path lacks the stage, which callers of the default host name have signed; RequestContext.Stage has it.
type APIRequest = events.APIGatewayProxyRequest

// APIResponse is the answer that goes back through API Gateway.
type APIResponse = events.APIGatewayProxyResponse
