package asl

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)\}`)

// Substitute puts values in the place of ${Name} in a definition, as CloudFormation does with its definition
// substitutions. A placeholder without a value and a value without a placeholder are errors: both mean that the file
// and the wiring have drifted apart.
func Substitute(definition []byte, values map[string]string) ([]byte, error) {
	used := map[string]bool{}
	var errs []error
	out := placeholder.ReplaceAllFunc(definition, func(match []byte) []byte {
		name := string(match[2 : len(match)-1])
		value, known := values[name]
		if !known {
			errs = append(errs, fmt.Errorf("no value for ${%s}", name))
			return match
		}
		used[name] = true
		quoted, _ := json.Marshal(value) // placeholders stand inside JSON strings
		return quoted[1 : len(quoted)-1]
	})
	for name := range values {
		if !used[name] {
			errs = append(errs, fmt.Errorf("the definition has no ${%s}", name))
		}
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return out, nil
}
