// Package mskapi is the wire: it turns HTTP requests for the Amazon MSK API into the input types of the AWS SDK for Go
// and the SDK's output types, or errors, back into HTTP answers.
//
// The SDK's own model (methods, paths, member names, required members) is the only model here, so what a client sends
// and what we read cannot drift apart. The package decides nothing: what an operation means is said in functions/api.
package mskapi
