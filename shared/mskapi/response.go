package mskapi

import (
	"net/http"

	"github.com/aws/aws-lambda-go/events"
)

// Response is one answer, ready for either front door.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// ToGateway gives the answer as a REST API proxy integration returns it. Every body is JSON, so none needs base64.
func (r Response) ToGateway() events.APIGatewayProxyResponse {
	return events.APIGatewayProxyResponse{StatusCode: r.Status, MultiValueHeaders: r.Header, Body: string(r.Body)}
}

// WriteTo sends the answer on a local connection. An error means that the caller has gone.
func (r Response) WriteTo(w http.ResponseWriter) error {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.Status)
	_, err := w.Write(r.Body)
	return err
}

// newResponse gives an answer with the headers that every answer carries.
func newResponse(status int, requestID string, body []byte) Response {
	header := http.Header{}
	header.Set("X-Amzn-Requestid", requestID)
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	return Response{Status: status, Header: header, Body: body}
}
