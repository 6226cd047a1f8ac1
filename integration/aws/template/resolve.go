package template

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Resolver gives the values of a template's expressions.
type Resolver struct {
	Template Template
	// Parameters are given by whoever deploys; one that is missing has its default.
	Parameters map[string]string
	// Pseudo are AWS::Region, AWS::AccountId and the like.
	Pseudo map[string]string
	// Zones are what Fn::GetAZs gives.
	Zones []string
	// Ref and Attribute name resources that exist, by their logical names.
	Ref       func(logical string) (string, error)
	Attribute func(logical, attribute string) (any, error)
}

// nothing is the value of AWS::NoValue: what has it is left out.
type nothing struct{}

// Value resolves an expression: objects with one member named Ref or Fn::… become their value, everything else stays.
func (r Resolver) Value(expression any) (any, error) {
	value, err := r.value(expression)
	if _, none := value.(nothing); none {
		return nil, err
	}
	return value, err
}

// Text resolves an expression that has to be text.
func (r Resolver) Text(expression any) (string, error) {
	value, err := r.Value(expression)
	if err != nil {
		return "", err
	}
	return text(value)
}

func text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool, float64, int:
		return fmt.Sprint(v), nil
	default:
		return "", fmt.Errorf("%v is not text", value)
	}
}

// Properties resolves all properties of a resource.
func (r Resolver) Properties(logical string) (map[string]any, error) {
	resource, known := r.Template.Resources[logical]
	if !known {
		return nil, fmt.Errorf("the template has no resource %s", logical)
	}
	value, err := r.Value(map[string]any(resource.Properties))
	if err != nil {
		return nil, fmt.Errorf("%s (%s): %w", logical, resource.Type, err)
	}
	properties, _ := value.(map[string]any)
	return properties, nil
}

func (r Resolver) value(expression any) (any, error) {
	switch e := expression.(type) {
	case map[string]any:
		if name, argument, is := intrinsic(e); is {
			value, err := r.call(name, argument)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return value, nil
		}
		out := map[string]any{}
		for key, inner := range e {
			value, err := r.value(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if _, none := value.(nothing); !none {
				out[key] = value
			}
		}
		return out, nil
	case []any:
		out := []any{}
		for _, inner := range e {
			value, err := r.value(inner)
			if err != nil {
				return nil, err
			}
			if _, none := value.(nothing); !none {
				out = append(out, value)
			}
		}
		return out, nil
	default:
		return expression, nil
	}
}

// intrinsic tells whether an object is a call of an intrinsic function.
func intrinsic(object map[string]any) (name string, argument any, is bool) {
	if len(object) != 1 {
		return "", nil, false
	}
	for name, argument := range object {
		if name == "Ref" || strings.HasPrefix(name, "Fn::") {
			return name, argument, true
		}
	}
	return "", nil, false
}

func (r Resolver) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return r.ref(fmt.Sprint(argument))
	case "Fn::If":
		return r.ifThen(argument)
	case "Fn::Sub":
		return r.sub(argument)
	case "Fn::GetAtt":
		return r.getAtt(argument)
	}
	argument, err := r.value(argument)
	if err != nil {
		return nil, err
	}
	list, _ := argument.([]any)
	switch name {
	case "Fn::Join":
		return join(list)
	case "Fn::Select":
		return selectFrom(list)
	case "Fn::Split":
		return split(list)
	case "Fn::FindInMap":
		return r.findInMap(list)
	case "Fn::GetAZs":
		zones := make([]any, len(r.Zones))
		for i, zone := range r.Zones {
			zones[i] = zone
		}
		return zones, nil
	case "Fn::Base64":
		plain, err := text(argument)
		return base64.StdEncoding.EncodeToString([]byte(plain)), err
	default:
		return nil, errors.New("this function is not understood")
	}
}

func (r Resolver) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return nothing{}, nil
	}
	if value, known := r.Pseudo[name]; known {
		return value, nil
	}
	if strings.HasPrefix(name, "AWS::") {
		return nil, fmt.Errorf("%s is not known", name)
	}
	if p, is := r.Template.Parameters[name]; is {
		return r.parameter(name, p)
	}
	if _, is := r.Template.Resources[name]; !is {
		return nil, fmt.Errorf("the template has no %s", name)
	}
	return r.Ref(name)
}

func (r Resolver) parameter(name string, p Parameter) (any, error) {
	var value any
	if given, is := r.Parameters[name]; is {
		value = given
	} else if p.Default == nil {
		return nil, fmt.Errorf("the parameter %s has no value and no default", name)
	} else {
		value = p.Default
	}
	plain, err := text(value)
	if err != nil || !strings.HasPrefix(p.Type, "List<") && p.Type != "CommaDelimitedList" {
		return plain, err
	}
	var list []any
	for part := range strings.SplitSeq(plain, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list, nil
}

// getAtt takes [name, attribute] or "name.attribute".
func (r Resolver) getAtt(argument any) (any, error) {
	var logical, attribute string
	switch a := argument.(type) {
	case string:
		logical, attribute, _ = strings.Cut(a, ".")
	case []any:
		if len(a) != 2 {
			return nil, fmt.Errorf("two arguments are needed, not %v", a)
		}
		logical, attribute = fmt.Sprint(a[0]), fmt.Sprint(a[1])
	}
	if _, is := r.Template.Resources[logical]; !is {
		return nil, fmt.Errorf("the template has no resource %s", logical)
	}
	return r.Attribute(logical, attribute)
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

// sub takes text, or [text, values].
func (r Resolver) sub(argument any) (any, error) {
	pattern, given := argument, map[string]any{}
	if list, is := argument.([]any); is && len(list) == 2 {
		pattern = list[0]
		given, _ = list[1].(map[string]any)
	}
	plain, err := text(pattern)
	if err != nil {
		return nil, err
	}
	var errs []error
	out := placeholder.ReplaceAllStringFunc(plain, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, is := strings.CutPrefix(name, "!"); is {
			return "${" + literal + "}"
		}
		var value any
		var err error
		if inner, is := given[name]; is {
			value, err = r.value(inner)
		} else if strings.Contains(name, ".") {
			value, err = r.getAtt(name)
		} else {
			value, err = r.ref(name)
		}
		if err != nil {
			errs = append(errs, err)
			return match
		}
		plain, err := text(value)
		if err != nil {
			errs = append(errs, err)
		}
		return plain
	})
	return out, errors.Join(errs...)
}

func (r Resolver) ifThen(argument any) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 3 {
		return nil, fmt.Errorf("three arguments are needed, not %v", argument)
	}
	holds, err := r.Holds(fmt.Sprint(list[0]))
	if err != nil {
		return nil, err
	}
	if holds {
		return r.value(list[1])
	}
	return r.value(list[2])
}

// Holds tells whether a condition of the template holds; the empty one does.
func (r Resolver) Holds(condition string) (bool, error) {
	if condition == "" {
		return true, nil
	}
	expression, known := r.Template.Conditions[condition]
	if !known {
		return false, fmt.Errorf("the template has no condition %s", condition)
	}
	return r.truth(expression)
}

func (r Resolver) truth(expression any) (bool, error) {
	object, _ := expression.(map[string]any)
	if name, is := object["Condition"]; is && len(object) == 1 {
		return r.Holds(fmt.Sprint(name))
	}
	name, argument, _ := intrinsic(object)
	list, _ := argument.([]any)
	switch name {
	case "Fn::Equals":
		a, err := r.value(list[0])
		if err != nil {
			return false, err
		}
		b, err := r.value(list[1])
		return fmt.Sprint(a) == fmt.Sprint(b), err
	case "Fn::Not":
		holds, err := r.truth(list[0])
		return !holds, err
	case "Fn::And", "Fn::Or":
		for _, inner := range list {
			holds, err := r.truth(inner)
			if err != nil || holds == (name == "Fn::Or") {
				return holds, err
			}
		}
		return name == "Fn::And", nil
	default:
		return false, fmt.Errorf("the condition %v is not understood", expression)
	}
}

func join(list []any) (any, error) {
	if len(list) != 2 {
		return nil, fmt.Errorf("two arguments are needed, not %v", list)
	}
	parts, _ := list[1].([]any)
	texts := make([]string, len(parts))
	for i, part := range parts {
		var err error
		if texts[i], err = text(part); err != nil {
			return nil, err
		}
	}
	return strings.Join(texts, fmt.Sprint(list[0])), nil
}

func split(list []any) (any, error) {
	if len(list) != 2 {
		return nil, fmt.Errorf("two arguments are needed, not %v", list)
	}
	var out []any
	for part := range strings.SplitSeq(fmt.Sprint(list[1]), fmt.Sprint(list[0])) {
		out = append(out, part)
	}
	return out, nil
}

func selectFrom(list []any) (any, error) {
	if len(list) != 2 {
		return nil, fmt.Errorf("two arguments are needed, not %v", list)
	}
	var index int
	if _, err := fmt.Sscan(fmt.Sprint(list[0]), &index); err != nil {
		return nil, err
	}
	from, _ := list[1].([]any)
	if index < 0 || index >= len(from) {
		return nil, fmt.Errorf("there is no element %d in %v", index, from)
	}
	return from[index], nil
}

func (r Resolver) findInMap(list []any) (any, error) {
	if len(list) != 3 {
		return nil, fmt.Errorf("three arguments are needed, not %v", list)
	}
	value, known := r.Template.Mappings[fmt.Sprint(list[0])][fmt.Sprint(list[1])][fmt.Sprint(list[2])]
	if !known {
		return nil, fmt.Errorf("there is no %v", list)
	}
	return value, nil
}
