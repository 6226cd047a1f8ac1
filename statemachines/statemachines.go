// Package statemachines holds one state machine for each kind of operation, and the sweeps, in Amazon States Language. Tests,
// the local engine and the deployment read the same bytes.
package statemachines

import (
	"embed"
	"fmt"
	"maps"
	"strings"
)

//go:embed *.asl.json
var files embed.FS

const ending = ".asl.json"

// Names lists the machines, in alphabetical order.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // an embedded directory can always be read
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ending)
	}
	return names
}

// IsSweep tells whether a machine is a sweep, by its name: one that runs on a schedule, for no operation in particular. On AWS
// it is an Express machine, which ends within five minutes and leaves no history. Those that are named for what they look after, and
// begin operations about it as others do at a request, end in -autoscaling.
func IsSweep(name string) bool {
	return strings.HasSuffix(name, "-sweep") || strings.HasSuffix(name, "-autoscaling")
}

// Definition gives a machine's text, with its ${Placeholders}.
func Definition(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ending)
	if err != nil {
		return nil, fmt.Errorf("there is no state machine %q", name)
	}
	return text, nil
}

// Functions names the function behind every placeholder of the machines. A function is named for its folder.
func Functions() map[string]string {
	return map[string]string{
		"BrokerReplacement":  "brokerreplacement",
		"HealthSweep":        "healthsweep",
		"Operations":         "operations",
		"Provisioning":       "provisioning",
		"StorageAutoscaling": "storageautoscaling",
		"TopicAdmin":         "topicadmin",
	}
}

// FunctionsOf is as much of [Functions] as a machine has placeholders for.
func FunctionsOf(name string) map[string]string {
	text, err := Definition(name)
	functions := Functions()
	maps.DeleteFunc(functions, func(placeholder, _ string) bool {
		return err != nil || !strings.Contains(string(text), "${"+placeholder+"}")
	})
	return functions
}
