package api

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/mskapi"
)

var resourceName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]*$`)

// nameIsValid checks what a user calls a cluster or a configuration.
func nameIsValid(param, what, name string) error {
	switch {
	case len(name) < 1 || len(name) > 64:
		return mskapi.BadRequest(param, "A %s's name has 1 to 64 characters, not %d.", what, len(name))
	case !resourceName.MatchString(name):
		return mskapi.BadRequest(param, "The name %q contains one or more characters that are not valid. "+
			"Letters, digits and hyphens are, and it starts with a letter or digit.", name)
	}
	return nil
}

// tagsAreValid checks everything a resource is to carry, in the order of the keys.
func tagsAreValid(tags map[string]string) error {
	if len(tags) > 50 {
		return mskapi.BadRequest("tags", "A resource has at most 50 tags, not %d.", len(tags))
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case key == "" || len([]rune(key)) > 128:
			return mskapi.BadRequest("tags", "The key of a tag has 1 to 128 characters: %q.", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return mskapi.BadRequest("tags", "Keys of tags that begin with aws: are reserved: %q.", key)
		case len([]rune(tags[key])) > 256:
			return mskapi.BadRequest("tags", "The value of a tag has at most 256 characters: %q has more.", key)
		}
	}
	return nil
}
