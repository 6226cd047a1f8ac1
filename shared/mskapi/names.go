package mskapi

import (
	"reflect"
	"sync"
	"unicode"
	"unicode/utf8"
)

// wireName gives the JSON name of a member. In this model it is always the Go name with a lower first letter
// (volumeSizeGB, not volumeSizeGb), which a test checks against the SDK's schemas.
func wireName(member string) string {
	first, size := utf8.DecodeRuneInString(member)
	return string(unicode.ToLower(first)) + member[size:]
}

// membersOf remembers what members has found: a list of a hundred clusters asks a thousand times.
var membersOf sync.Map // reflect.Type → []reflect.StructField

// members lists the fields of a struct that travel on the wire.
func members(t reflect.Type) []reflect.StructField {
	if known, ok := membersOf.Load(t); ok {
		return known.([]reflect.StructField)
	}
	var fields []reflect.StructField
	for f := range t.Fields() {
		if f.IsExported() && f.Name != "ResultMetadata" {
			fields = append(fields, f)
		}
	}
	membersOf.Store(t, fields)
	return fields
}
