// Package serverproperties reads the text of a configuration and judges it by the table of properties that Amazon MSK lets
// its users set on Standard brokers.
//
// It decides what a user may ask for, not what a broker gets: which properties a release of Kafka still knows, and what
// MSK sets on its own, belongs to whoever writes the broker's file.
package serverproperties

import (
	"strings"

	"github.com/millrace/millrace/shared/fault"
)

// Parameter is the request member that carries the text, and so MSK's invalidParameter for every refusal here.
const Parameter = "serverProperties"

// MaxBytes is the longest text that is taken: with its base64 it fits into one item of the table (400 KB on AWS), and all
// 49 properties with a page of comment each stay far below it.
const MaxBytes = 128 << 10

// Parse reads the text in the syntax of java.util.Properties and returns the properties it sets, with values as Kafka
// would write them: booleans in lower case, numbers and lists without spaces. A text without properties is fine.
//
// Otherwise it returns an Invalid error for the member serverProperties. When properties are at fault, its message is a
// JSON array with one entry for each of them, in the order of the text, as MSK answers.
func Parse(text []byte) (map[string]string, error) {
	if len(text) > MaxBytes {
		return nil, fault.InvalidParameter(Parameter, "The server properties are longer than %d bytes.", MaxBytes)
	}
	assignments := read(string(text))
	times := map[string]int{}
	for _, a := range assignments {
		times[a.key]++
	}

	properties := map[string]string{}
	var problems []problem
	judged := map[string]bool{}
	for _, a := range assignments {
		if judged[a.key] {
			continue
		}
		judged[a.key] = true
		value, complaints := judge(a.key, a.value)
		if times[a.key] > 1 {
			complaints = append(complaints, "Key '"+a.key+"' is set more than once.")
		}
		if len(complaints) > 0 {
			problems = append(problems, problem{a.key, a.value, complaints})
			continue
		}
		properties[a.key] = value
	}
	if len(problems) > 0 {
		return nil, refusal(problems)
	}
	return properties, nil
}

// judge gives the value as Kafka would write it, or what is wrong with the assignment.
func judge(name, value string) (string, []string) {
	key, known := Lookup(name)
	if !known {
		return "", []string{"Key '" + name + "' is not supported by at least one Apache Kafka version. " +
			"A configuration can set only the documented broker properties."}
	}
	// Kafka trims what it reads, so that spaces at the end of a line, which java.util.Properties keeps, do no harm.
	normal, complaint := key.normalize(strings.TrimSpace(value))
	if complaint != "" {
		return "", []string{complaint}
	}
	return normal, nil
}
