package mskapi_test

import (
	"math/rand/v2"
	"reflect"
	"time"
)

// alphabet holds what has been mangled on wires before: percent signs, pluses, quotes, HTML, more than one byte.
var alphabet = []rune(`abcXYZ019-_.~:/+=& ?#%"'<>\é漢🙂`)

// fill gives every member of a struct of the SDK a random value, lists and maps one or two.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(r.Int64N(4e12)).UTC()))
			return
		}
		for f, field := range v.Fields() {
			if f.IsExported() && f.Name != "ResultMetadata" {
				fill(r, field)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(2), 2))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.IntN(2) {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(r, value)
			v.SetMapIndex(reflect.ValueOf(randomText(r)), value)
		}
	case reflect.String:
		if values := v.MethodByName("Values"); values.IsValid() {
			known := values.Call(nil)[0]
			v.Set(known.Index(r.IntN(known.Len())))
			return
		}
		v.SetString(randomText(r))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - v.Type().Bits()))
	case reflect.Float64:
		v.SetFloat(r.NormFloat64() * 1e6)
	case reflect.Uint8:
		v.SetUint(r.Uint64() & 0xff)
	default:
		panic("the model has a type the tests do not know: " + v.Type().String())
	}
}

func randomText(r *rand.Rand) string {
	text := []rune{'x'} // a path parameter may not be empty
	for range r.IntN(12) {
		text = append(text, alphabet[r.IntN(len(alphabet))])
	}
	return string(text)
}
