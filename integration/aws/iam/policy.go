// Package iam decides as AWS does whether a caller may do what a request asks for: read.go and the files it names tell
// from a request on the wire which actions on which resources it needs, policy.go and condition.go judge these by the
// caller's policies, and gate.go stands before a stand-in for AWS and lets through what is allowed.
//
// It judges by what it can know of a request. A policy with a condition on anything else is an error, so that no
// condition is taken for met or unmet by mistake.
package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Policy is a policy document.
type Policy struct {
	Statement many[Statement]
}

// Statement allows or denies actions on resources, under conditions.
type Statement struct {
	Sid               string
	Effect            string
	Action, NotAction many[string]
	Resource          many[string]
	NotResource       many[string]
	Condition         map[string]map[string]many[any] // operator, key, values
	Principal         any                             // of policies of resources; not looked at
}

// many is one value or a list of them, as in all of IAM's JSON.
type many[T any] []T

func (m *many[T]) UnmarshalJSON(content []byte) error {
	if len(content) > 0 && content[0] == '[' {
		var list []T
		err := json.Unmarshal(content, &list)
		*m = list
		return err
	}
	var one T
	err := json.Unmarshal(content, &one)
	*m = []T{one}
	return err
}

// ParsePolicy reads a policy document as a template holds it, once it is resolved.
func ParsePolicy(document any) (Policy, error) {
	content, err := json.Marshal(document)
	if err != nil {
		return Policy{}, err
	}
	var p Policy
	if err := json.Unmarshal(content, &p); err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", content, err)
	}
	return p, nil
}

// Principal is who calls: the session of a role.
type Principal struct {
	// Name is for messages: a function's or a host's.
	Name string
	// ARN is that of the session, Role that of its role, UserID is aws:userid: <role id>:<session>.
	ARN, Role, UserID string
	// Function is the ARN of the function whose code calls; empty for everybody else.
	Function string
	Policies []Policy
}

// Check is one permission that a request needs.
type Check struct {
	Action   string
	Resource string
	// Keys are what conditions may ask for, by their names in lower case.
	Keys map[string][]string
}

func (c Check) String() string { return c.Action + " on " + c.Resource }

// Allows tells whether the policies of a principal allow something: some statement allows it and none denies it.
// It returns an error when a statement that bears on it can't be judged.
func (p Principal) Allows(c Check) (allowed bool, err error) {
	keys := map[string][]string{"aws:userid": {p.UserID}, "aws:principalarn": {p.Role}, "aws:securetransport": {"true"}}
	if p.Function != "" {
		keys["lambda:sourcefunctionarn"] = []string{p.Function}
	}
	for name, values := range c.Keys {
		keys[strings.ToLower(name)] = values
	}
	var errs []error
	denied := false
	for _, policy := range p.Policies {
		for _, s := range policy.Statement {
			applies, err := s.applies(c, keys)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: statement %q of %s: %w", c, s.Sid, p.Name, err))
				continue
			}
			allowed = allowed || applies && s.Effect == "Allow"
			denied = denied || applies && s.Effect == "Deny"
		}
	}
	return allowed && !denied, errors.Join(errs...)
}

// Demand is an error when something is not allowed.
func (p Principal) Demand(c Check) error {
	allowed, err := p.Allows(c)
	if err == nil && !allowed {
		err = fmt.Errorf("%s may not do %s", p.Name, c)
	}
	return err
}

func (s Statement) applies(c Check, keys map[string][]string) (bool, error) {
	named := matchesAny(s.Action, c.Action, nil, true)
	if len(s.NotAction) > 0 {
		named = !matchesAny(s.NotAction, c.Action, nil, true)
	}
	on := matchesAny(s.Resource, c.Resource, keys, false)
	if len(s.NotResource) > 0 {
		on = !matchesAny(s.NotResource, c.Resource, keys, false)
	}
	if !named || !on {
		return false, nil
	}
	for operator, byKey := range s.Condition {
		for key, values := range byKey {
			met, err := conditionMet(operator, key, values, keys)
			if !met || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func matchesAny(patterns []string, value string, keys map[string][]string, anyCase bool) bool {
	for _, p := range patterns {
		if matches(p, value, keys, anyCase) {
			return true
		}
	}
	return false
}

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

// matches compares with a pattern of *, ? and policy variables. A variable without a value matches nothing.
func matches(pattern, value string, keys map[string][]string, anyCase bool) bool {
	var expression strings.Builder
	expression.WriteString("^")
	if anyCase {
		expression.WriteString("(?i)")
	}
	for pattern != "" {
		if at := variable.FindStringSubmatchIndex(pattern); at != nil && at[0] == 0 {
			known := keys[strings.ToLower(pattern[at[2]:at[3]])]
			if len(known) != 1 {
				return false
			}
			expression.WriteString(regexp.QuoteMeta(known[0]))
			pattern = pattern[at[1]:]
			continue
		}
		switch pattern[0] {
		case '*':
			expression.WriteString(".*")
		case '?':
			expression.WriteString(".")
		default:
			expression.WriteString(regexp.QuoteMeta(pattern[:1]))
		}
		pattern = pattern[1:]
	}
	expression.WriteString("$")
	return regexp.MustCompile("(?s)" + expression.String()).MatchString(value)
}
