// Package template reads a synthesised CloudFormation template and gives the values that CloudFormation would: it
// resolves references, attributes and the other intrinsic functions. It makes nothing: what a resource is called once it
// exists is asked of whoever makes it.
package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// Template is a CloudFormation template, as far as it is looked at.
type Template struct {
	Parameters map[string]Parameter
	Mappings   map[string]map[string]map[string]any
	Conditions map[string]any
	Resources  map[string]Resource
	Outputs    map[string]Output
}

// Parameter is a value that whoever deploys gives.
type Parameter struct {
	Type    string
	Default any
}

// Resource is one thing that a deployment makes.
type Resource struct {
	Type       string
	Condition  string
	Properties map[string]any
}

// Output is a value that a deployment tells.
type Output struct {
	Condition string
	Value     any
}

// Read reads a template from a file.
func Read(path string) (Template, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Template{}, err
	}
	var t Template
	if err := json.Unmarshal(content, &t); err != nil {
		return Template{}, fmt.Errorf("read %s: %w", path, err)
	}
	return t, nil
}

// Names gives the logical names of all resources of a type, in order.
func (t Template) Names(resourceType string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.Resources)) {
		if t.Resources[name].Type == resourceType {
			names = append(names, name)
		}
	}
	return names
}
