package operations

import "encoding/json"

// lambdaMessage takes the message out of the JSON in which Lambda reports a function's error as a cause.
func lambdaMessage(cause string) (string, bool) {
	var reported struct {
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal([]byte(cause), &reported); err != nil || reported.Message == "" {
		return "", false
	}
	return reported.Message, true
}
