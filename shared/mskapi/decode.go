package mskapi

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Decode makes the SDK's input of an operation from the path parameters Match found, the query and the body, such as
// *kafka.CreateClusterInput. Nothing requested is dropped: what the model does not know, has another type, is an unknown
// value of an enum or misses a required member is a BadRequest that names the member by its wire path.
func Decode(op Operation, params map[string]string, r Request) (any, error) {
	input := op.NewInput()
	v := reflect.ValueOf(input).Elem()
	if err := decodePath(op, params, v); err != nil {
		return nil, err
	}
	if err := decodeQuery(op, r.Query, v); err != nil {
		return nil, err
	}
	if err := decodeBody(r.Body, v, bodyMembers(op, v.Type())); err != nil {
		return nil, err
	}
	if err := checkRequired(op, input); err != nil {
		return nil, err
	}
	return input, nil
}

func decodePath(op Operation, params map[string]string, v reflect.Value) error {
	for name, schema := range op.input.Members() {
		if _, isLabel := smithy.SchemaTrait[*traits.HTTPLabel](schema); !isLabel {
			continue
		}
		if err := assignText(wireName(name), v.FieldByName(name), []string{params[wireName(name)]}); err != nil {
			return err
		}
	}
	return nil
}

func decodeQuery(op Operation, query url.Values, v reflect.Value) error {
	fields := map[string]string{} // of the struct, by the name in the query
	for name, schema := range op.input.Members() {
		if q, ok := smithy.SchemaTrait[*traits.HTTPQuery](schema); ok {
			fields[q.Name] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) { // so that of several faults always the same one is told
		field, known := fields[name]
		if !known {
			return BadRequest(name, "%s has no query parameter %s.", op.Name, name)
		}
		if err := assignText(name, v.FieldByName(field), query[name]); err != nil {
			return err
		}
	}
	return nil
}

// bodyMembers are the fields of an input that the body may set: those that neither path nor query carries.
func bodyMembers(op Operation, t reflect.Type) map[string]int {
	byName := map[string]int{}
	for _, m := range members(t) {
		schema := op.input.Member(m.field)
		_, isLabel := smithy.SchemaTrait[*traits.HTTPLabel](schema)
		_, isQuery := smithy.SchemaTrait[*traits.HTTPQuery](schema)
		if !isLabel && !isQuery {
			byName[m.name] = m.index
		}
	}
	return byName
}

// assignText sets a member from the path or the query.
func assignText(name string, field reflect.Value, values []string) error {
	if field.Kind() == reflect.Slice {
		field.Set(reflect.ValueOf(values))
		return nil
	}
	if len(values) != 1 {
		return BadRequest(name, "%s was given %d times.", name, len(values))
	}
	target := reflect.New(field.Type().Elem())
	switch kind := target.Elem().Kind(); kind {
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(values[0], 10, target.Elem().Type().Bits())
		if err != nil {
			return BadRequest(name, "%s has to be a whole number in range.", name)
		}
		target.Elem().SetInt(n)
	default:
		target.Elem().SetString(values[0])
	}
	field.Set(target)
	return nil
}
