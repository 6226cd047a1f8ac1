package iam

import (
	"fmt"
	"strings"
)

// knowable are the keys that a Check has whenever AWS would have them; those that end in / or : are the beginnings of
// some. A condition on any other can't be judged.
var knowable = []string{
	"aws:userid", "aws:principalarn", "aws:securetransport", "aws:requesttag/", "aws:resourcetag/", "aws:tagkeys",
	"ec2:resourcetag/", "ec2:createaction", "ec2:launchtemplate", "ec2:instancetype", "ec2:encrypted", "ec2:volumetype",
	"ec2:volumesize", "ec2:vpc", "ec2:islaunchtemplateresource", "ec2:metadatahttptokens",
	"dynamodb:leadingkeys", "iam:passedtoservice", "kms:viaservice", "kms:grantisforawsresource",
	"kms:encryptioncontext:", "kms:encryptioncontextkeys",
	"cloudwatch:namespace", "events:source", "events:detail-type", "secretsmanager:name", "secretsmanager:resourcetag/",
	"route53:changeresourcerecordsetsnormalizedrecordnames", "route53:changeresourcerecordsetsrecordtypes",
	"route53:changeresourcerecordsetsactions", "lambda:sourcefunctionarn",
}

func isKnowable(key string) bool {
	for _, k := range knowable {
		if key == k || (strings.HasSuffix(k, "/") || strings.HasSuffix(k, ":")) && strings.HasPrefix(key, k) {
			return true
		}
	}
	return false
}

// conditionMet judges one operator on one key. See "IAM JSON policy elements: Condition operators" in IAM's user guide.
func conditionMet(operator, key string, wanted []any, keys map[string][]string) (bool, error) {
	key = strings.ToLower(key)
	if !isKnowable(key) {
		return false, fmt.Errorf("a condition on %s can't be judged", key)
	}
	values, known := keys[key]
	set, rest, isSet := strings.Cut(operator, ":")
	if !isSet {
		set, rest = "", operator
	}
	base, ifExists := strings.CutSuffix(rest, "IfExists")
	if base == "Null" {
		return fmt.Sprint(wanted[0]) == fmt.Sprint(!known || len(values) == 0), nil
	}
	compare, negated, err := comparison(base)
	if err != nil {
		return false, err
	}
	one := func(value string) bool { // does the condition hold for this value?
		for _, w := range wanted {
			if compare(fmt.Sprint(w), value, keys) {
				return !negated
			}
		}
		return negated
	}
	if !known || len(values) == 0 {
		return ifExists || set == "ForAllValues" || negated && set == "", nil
	}
	if set == "" && len(values) > 1 {
		return false, fmt.Errorf("%s has several values here, and %s is for one", key, operator)
	}
	for _, v := range values {
		switch holds := one(v); {
		case set == "ForAllValues" && !holds:
			return false, nil
		case set != "ForAllValues" && holds:
			return true, nil
		}
	}
	return set == "ForAllValues", nil
}

func comparison(base string) (compare func(wanted, value string, keys map[string][]string) bool, negated bool, err error) {
	base, negated = strings.Replace(base, "Not", "", 1), strings.Contains(base, "Not")
	switch base {
	case "StringEquals":
		return func(wanted, value string, keys map[string][]string) bool {
			return matches(escapeWildcards(wanted), escapeWildcards(value), keys, false)
		}, negated, nil
	case "StringEqualsIgnoreCase", "Bool":
		return func(wanted, value string, _ map[string][]string) bool { return strings.EqualFold(wanted, value) }, negated, nil
	case "StringLike", "ArnEquals", "ArnLike":
		return func(wanted, value string, keys map[string][]string) bool { return matches(wanted, value, keys, false) }, negated, nil
	case "NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals":
		return func(wanted, value string, _ map[string][]string) bool { return numbersCompare(base, wanted, value) }, negated, nil
	default:
		return nil, false, fmt.Errorf("the operator %s is not understood", base)
	}
}

// escapeWildcards takes the meaning from * and ?, for comparisons that know none. The stand-ins are the same on both sides.
func escapeWildcards(s string) string {
	return strings.NewReplacer("*", "\x01", "?", "\x02").Replace(s)
}

func numbersCompare(operator, wanted, value string) bool {
	var w, v float64
	if _, err := fmt.Sscan(wanted, &w); err != nil {
		return false
	}
	if _, err := fmt.Sscan(value, &v); err != nil {
		return false
	}
	switch operator {
	case "NumericEquals":
		return v == w
	case "NumericLessThan":
		return v < w
	case "NumericLessThanEquals":
		return v <= w
	case "NumericGreaterThan":
		return v > w
	default:
		return v >= w
	}
}
