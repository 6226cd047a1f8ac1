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

// member is a field of a struct that travels on the wire.
type member struct {
	field string // the Go name
	name  string // the wire name
	index int    // of the field
}

// membersOf remembers what members has found: a list of a hundred clusters asks a thousand times.
var membersOf sync.Map // reflect.Type → []member

// members lists the fields of a struct that travel on the wire.
func members(t reflect.Type) []member {
	if known, ok := membersOf.Load(t); ok {
		return known.([]member)
	}
	var found []member
	for f := range t.Fields() {
		if f.IsExported() && f.Name != "ResultMetadata" {
			found = append(found, member{field: f.Name, name: wireName(f.Name), index: f.Index[0]})
		}
	}
	membersOf.Store(t, found)
	return found
}
