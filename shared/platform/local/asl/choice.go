package asl

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// condition is the test of a Choice rule.
type condition func(in scope) (bool, error)

// comparison tells whether a value fits an operand. A value of another type than the operator's simply does not.
type comparison func(v, operand any) bool

// comparisons are the operators with an operand of the same type; each but StringMatches also exists with a path:
// StringEquals and StringEqualsPath.
var comparisons = map[string]comparison{
	"StringEquals":               compareStrings(func(c int) bool { return c == 0 }),
	"StringLessThan":             compareStrings(func(c int) bool { return c < 0 }),
	"StringLessThanEquals":       compareStrings(func(c int) bool { return c <= 0 }),
	"StringGreaterThan":          compareStrings(func(c int) bool { return c > 0 }),
	"StringGreaterThanEquals":    compareStrings(func(c int) bool { return c >= 0 }),
	"NumericEquals":              compareNumbers(func(a, b float64) bool { return a == b }),
	"NumericLessThan":            compareNumbers(func(a, b float64) bool { return a < b }),
	"NumericLessThanEquals":      compareNumbers(func(a, b float64) bool { return a <= b }),
	"NumericGreaterThan":         compareNumbers(func(a, b float64) bool { return a > b }),
	"NumericGreaterThanEquals":   compareNumbers(func(a, b float64) bool { return a >= b }),
	"TimestampEquals":            compareTimes(func(c int) bool { return c == 0 }),
	"TimestampLessThan":          compareTimes(func(c int) bool { return c < 0 }),
	"TimestampLessThanEquals":    compareTimes(func(c int) bool { return c <= 0 }),
	"TimestampGreaterThan":       compareTimes(func(c int) bool { return c > 0 }),
	"TimestampGreaterThanEquals": compareTimes(func(c int) bool { return c >= 0 }),
	"BooleanEquals": func(v, operand any) bool {
		a, okA := v.(bool)
		b, okB := operand.(bool)
		return okA && okB && a == b
	},
}

func compareStrings(accept func(int) bool) comparison {
	return func(v, operand any) bool {
		a, okA := v.(string)
		b, okB := operand.(string)
		return okA && okB && accept(strings.Compare(a, b))
	}
}

func compareNumbers(accept func(a, b float64) bool) comparison {
	return func(v, operand any) bool {
		a, okA := number(v)
		b, okB := number(operand)
		return okA && okB && accept(a, b)
	}
}

func compareTimes(accept func(int) bool) comparison {
	return func(v, operand any) bool {
		a, okA := timestamp(v)
		b, okB := timestamp(operand)
		return okA && okB && accept(a.Compare(b))
	}
}

// timestamp reads RFC 3339 as Step Functions takes it: with a T and with an offset.
func timestamp(v any) (time.Time, bool) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t, err == nil
}

// operandTypes say which constants an operator takes, by the start of its name.
var operandTypes = map[string]func(v any) bool{
	"String":    func(v any) bool { _, ok := v.(string); return ok },
	"Numeric":   func(v any) bool { _, ok := number(v); return ok },
	"Timestamp": func(v any) bool { _, ok := timestamp(v); return ok },
	"Boolean":   func(v any) bool { _, ok := v.(bool); return ok },
	"Is":        func(v any) bool { _, ok := v.(bool); return ok },
}

// typeTests are the operators that ask what a value is; their operand says which answer is wanted.
var typeTests = map[string]func(v any) bool{
	"IsNull":      func(v any) bool { return v == nil },
	"IsBoolean":   operandTypes["Boolean"],
	"IsNumeric":   operandTypes["Numeric"],
	"IsString":    operandTypes["String"],
	"IsTimestamp": operandTypes["Timestamp"],
}

// parseCondition reads one rule or nested rule out of its fields.
func (f *fields) condition() condition {
	for _, combine := range []struct {
		name string
		make func([]condition) condition
	}{{"And", allOf}, {"Or", anyOf}} {
		if f.has(combine.name) {
			var nested []condition
			for _, rule := range f.objects(combine.name) {
				nested = append(nested, rule.condition())
				rule.done()
			}
			if len(nested) == 0 {
				f.refuse(combine.name, "needs at least one rule")
			}
			return combine.make(nested)
		}
	}
	if f.has("Not") {
		rule := f.object("Not")
		negated := rule.condition()
		rule.done()
		return func(in scope) (bool, error) {
			ok, err := negated(in)
			return !ok, err
		}
	}
	return f.comparison()
}

func allOf(conditions []condition) condition {
	return func(in scope) (bool, error) {
		for _, c := range conditions {
			if ok, err := c(in); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

func anyOf(conditions []condition) condition {
	return func(in scope) (bool, error) {
		for _, c := range conditions {
			if ok, err := c(in); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
}

// comparison reads a rule of the form {Variable, <operator>: operand}.
func (f *fields) comparison() condition {
	variable := f.path("Variable")
	if variable == nil {
		f.refuse("Variable", "is missing")
		return nil
	}
	var operators []string
	for _, name := range slices.Sorted(maps.Keys(f.raw)) {
		if isOperator(name) {
			operators = append(operators, name)
		}
	}
	if len(operators) != 1 {
		f.refuse("Variable", fmt.Sprintf("needs exactly one comparison, has %d", len(operators)))
		return nil
	}
	return f.operator(operators[0], variable)
}

func isOperator(name string) bool {
	_, compares := comparisons[strings.TrimSuffix(name, "Path")]
	_, tests := typeTests[name]
	return compares || tests || name == "IsPresent" || name == "StringMatches"
}

func (f *fields) operator(name string, variable *path) condition {
	if base, isPath := strings.CutSuffix(name, "Path"); isPath {
		other, compare := f.path(name), comparisons[base]
		return func(in scope) (bool, error) {
			operand, err := required(other, in)
			if err != nil {
				return false, err
			}
			v, err := required(variable, in)
			return err == nil && compare(v, operand), err
		}
	}
	operand := f.value(name)
	for prefix, fits := range operandTypes {
		if strings.HasPrefix(name, prefix) && !fits(operand) {
			f.refuse(name, fmt.Sprintf("does not take %s", encode(operand)))
			return nil
		}
	}
	test := func(v any) bool { return typeTests[name](v) == operand }
	switch {
	case name == "IsPresent":
		return func(in scope) (bool, error) {
			_, found, err := variable.find(in)
			return found == operand, err
		}
	case name == "StringMatches":
		test = wildcard(operand.(string))
	case comparisons[name] != nil:
		test = func(v any) bool { return comparisons[name](v, operand) }
	}
	return func(in scope) (bool, error) {
		v, err := required(variable, in)
		return err == nil && test(v), err
	}
}

// required is the value at a path; a condition on nothing fails the execution.
func required(p *path, in scope) (any, error) {
	v, found, err := p.find(in)
	if err == nil && !found {
		err = fail(errRuntime, "Invalid path '%s': The choice state's condition path references an invalid value.", p)
	}
	return v, err
}

// wildcard matches text in which * stands for anything, \* for a star and \\ for a backslash.
func wildcard(pattern string) func(v any) bool {
	var expr strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			expr.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		case pattern[i] == '*':
			expr.WriteString(".*")
		default:
			expr.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	re := regexp.MustCompile(`(?s)^` + expr.String() + `$`)
	return func(v any) bool {
		text, ok := v.(string)
		return ok && re.MatchString(text)
	}
}
