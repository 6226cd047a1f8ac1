// Package aasapi is the wire of Application Auto Scaling, by which clients of MSK let storage grow: it turns HTTP requests into the
// input types of the AWS SDK for Go, and the SDK's output types and exceptions back into HTTP answers.
//
// The SDK's own model is the only model here, as in mskapi, which has what both APIs share: requests, answers and signatures. What
// an operation means is said in functions/api.
package aasapi
