package mskapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// timeFormat is ISO 8601 in milliseconds, the one form that every SDK reads.
const timeFormat = "2006-01-02T15:04:05.000Z"

var timeType = reflect.TypeFor[time.Time]()

// Encode writes the output of an operation. A nil output, and the two tag calls, answer without a body.
func Encode(op Operation, requestID string, output any) (Response, error) {
	if op.SuccessStatus == 204 {
		return newResponse(op.SuccessStatus, requestID, nil), nil
	}
	body, err := Marshal(output)
	if err != nil {
		return Response{}, fmt.Errorf("encode the answer of %s: %w", op.Name, err)
	}
	return newResponse(op.SuccessStatus, requestID, body), nil
}

// JSON answers a request outside MSK's model with the same member names, times and headers as the rest of the API.
func JSON(status int, requestID string, v any) (Response, error) {
	body, err := Marshal(v)
	if err != nil {
		return Response{}, err
	}
	return newResponse(status, requestID, body), nil
}

// Marshal writes a value as MSK would: member names start in lower case, unset members (nil, the empty enum) are left
// out, empty lists are kept, times are UTC in milliseconds, blobs are base64. It writes the types of the SDK and plain
// structs like them; json tags are not read.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || rv.Kind() == reflect.Pointer && rv.IsNil() {
		return []byte("{}"), nil
	}
	if err := marshal(&b, rv); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func marshal(b *bytes.Buffer, v reflect.Value) error {
	if v.Type() == timeType {
		fmt.Fprintf(b, "%q", v.Interface().(time.Time).UTC().Format(timeFormat))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("null")
			return nil
		}
		return marshal(b, v.Elem())
	case reflect.Struct:
		return marshalStruct(b, v)
	case reflect.Map:
		return marshalMap(b, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			return marshalList(b, v)
		}
	}
	if v.Kind() == reflect.String && isPlain(v.String()) { // nearly all there is, so it takes the short way
		b.WriteByte('"')
		b.WriteString(v.String())
		b.WriteByte('"')
		return nil
	}
	// Text, numbers, booleans and blobs are what encoding/json makes of them, except for HTML escapes, which no client
	// needs.
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Interface()); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's newline
	return nil
}

// isPlain tells whether JSON writes a text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func marshalStruct(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	first := true
	for _, m := range members(v.Type()) {
		value := v.Field(m.index)
		if isUnset(value) {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteByte('"')
		b.WriteString(m.name)
		b.WriteString(`":`)
		if err := marshal(b, value); err != nil {
			return fmt.Errorf("%s: %w", m.field, err)
		}
	}
	b.WriteByte('}')
	return nil
}

func marshalMap(b *bytes.Buffer, v reflect.Value) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return bytes.Compare([]byte(x.String()), []byte(y.String())) })
	b.WriteByte('{')
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := marshal(b, key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := marshal(b, v.MapIndex(key)); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	b.WriteByte('}')
	return nil
}

func marshalList(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := marshal(b, v.Index(i)); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	b.WriteByte(']')
	return nil
}

// isUnset tells a member that was never set from one that was set to nothing: an empty list is an answer, nil is none.
// Enums are the model's only members without a pointer, so for text the empty string is "unset".
func isUnset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	default:
		return false
	}
}
