package mskapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Unmarshal reads a JSON object into a struct like the SDK's, as strictly as Decode reads a body. An empty body leaves
// the struct as it is.
func Unmarshal(body []byte, into any) error {
	v := reflect.ValueOf(into).Elem()
	return decodeBody(body, v, fieldsByName(v.Type()))
}

func fieldsByName(t reflect.Type) map[string]int {
	byName := map[string]int{}
	for _, m := range members(t) {
		byName[m.name] = m.index
	}
	return byName
}

// decodeBody parses first and assigns second. encoding/json could fill the struct by itself, but it reports neither the
// path of an unknown member nor that of a broken blob, and it takes a member's name in any case.
func decodeBody(body []byte, v reflect.Value, fields map[string]int) error {
	if len(body) > MaxBodyBytes {
		return errBodyTooLarge()
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a long does not survive float64
	var parsed any
	if err := dec.Decode(&parsed); err != nil {
		return BadRequest("", "The request body is not valid JSON.")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return BadRequest("", "The request body has something after its JSON object.")
	}
	object, ok := parsed.(map[string]any)
	if !ok {
		return BadRequest("", "The request body has to be a JSON object.")
	}
	return assignMembers("", v, object, fields)
}

// assignMembers fills a struct. Members are taken in the order of their names, so that a request with two mistakes is
// always refused for the same one.
func assignMembers(path string, v reflect.Value, object map[string]any, fields map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := join(path, name)
		i, known := fields[name]
		if !known {
			return BadRequest(at, "The member %s is not known.", at)
		}
		if object[name] == nil { // null means unset
			continue
		}
		if err := assign(at, v.Field(i), object[name]); err != nil {
			return err
		}
	}
	return nil
}

// assign sets one value of the SDK's types from what JSON holds.
func assign(path string, v reflect.Value, value any) error {
	if v.Type() == timeType {
		return assignTime(path, v, value)
	}
	switch v.Kind() {
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		v.Set(target)
		return assign(path, target.Elem(), value)
	case reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return wrongType(path, "an object")
		}
		return assignMembers(path, v, object, fieldsByName(v.Type()))
	case reflect.Map:
		return assignMap(path, v, value)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return assignBlob(path, v, value)
		}
		return assignList(path, v, value)
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			return wrongType(path, "a string")
		}
		return assignString(path, v, text)
	case reflect.Bool:
		truth, ok := value.(bool)
		if !ok {
			return wrongType(path, "true or false")
		}
		v.SetBool(truth)
		return nil
	default:
		return assignNumber(path, v, value)
	}
}

func assignMap(path string, v reflect.Value, value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return wrongType(path, "an object")
	}
	m := reflect.MakeMapWithSize(v.Type(), len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := assign(join(path, key), element, object[key]); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key), element)
	}
	v.Set(m)
	return nil
}

func assignList(path string, v reflect.Value, value any) error {
	elements, ok := value.([]any)
	if !ok {
		return wrongType(path, "a list")
	}
	list := reflect.MakeSlice(v.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := assign(fmt.Sprintf("%s[%d]", path, i), list.Index(i), element); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

func assignBlob(path string, v reflect.Value, value any) error {
	text, ok := value.(string)
	if !ok {
		return wrongType(path, "base64 text")
	}
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return wrongType(path, "base64 text")
	}
	v.SetBytes(blob)
	return nil
}

func assignTime(path string, v reflect.Value, value any) error {
	text, _ := value.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return wrongType(path, "a time such as 2026-09-20T12:00:00.123Z")
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func assignNumber(path string, v reflect.Value, value any) error {
	number, ok := value.(json.Number)
	if !ok {
		return wrongType(path, "a number")
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := number.Int64()
		if err != nil || v.OverflowInt(n) {
			return wrongType(path, fmt.Sprintf("a whole number of %d bits", v.Type().Bits()))
		}
		v.SetInt(n)
		return nil
	case reflect.Float64:
		f, err := number.Float64()
		if err != nil || math.IsInf(f, 0) {
			return wrongType(path, "a number in range")
		}
		v.SetFloat(f)
		return nil
	default:
		return fmt.Errorf("%s: the wire has no type for %s", path, v.Type())
	}
}

// assignString sets text, and an enum only to one of its values. The SDK's list of values is the newest we can serve,
// so a value it lacks is one we could not honour.
func assignString(path string, v reflect.Value, text string) error {
	if values := v.MethodByName("Values"); values.IsValid() {
		known := values.Call(nil)[0]
		var names []string
		for i := range known.Len() {
			names = append(names, known.Index(i).String())
		}
		if !slices.Contains(names, text) {
			return BadRequest(path, "The member %s has to be one of %s.", path, strings.Join(names, ", "))
		}
	}
	v.SetString(text)
	return nil
}

func wrongType(path, want string) *Error {
	return BadRequest(path, "The member %s has to be %s.", path, want)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
