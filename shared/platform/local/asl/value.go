package asl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// Values are JSON values as Go holds them: nil, bool, int64, float64, string, []any and map[string]any; a number that
// fits neither numeric type stays a json.Number. Values are shared between frames and never changed in place.

// decode reads exactly one JSON value.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return settleNumbers(v), nil
}

// settleNumbers replaces each json.Number by the numeric type that holds it. It works in place, on fresh values only.
func settleNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		for i := range v {
			v[i] = settleNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = settleNumbers(v[k])
		}
	}
	return v
}

// encode writes a value as compact JSON, leaving <, > and & as they are, as AWS does.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("asl: a JSON value does not encode: %v", err)) // values come from decode: a bug
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// number gives a numeric value as float64.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// integer gives a whole number; like AWS it takes one written as text too.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == float64(int64(n))
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		return i, err == nil
	}
	return 0, false
}
