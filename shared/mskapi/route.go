package mskapi

import (
	"net/url"
	"regexp"
	"strings"
)

// Paths hold ARNs, and an ARN holds slashes. Clients send them as %2F; some front doors decode them. So each route has
// two patterns: one that takes whole segments, for the path as sent, and one that knows how many slashes each kind of ARN has,
// for the decoded path. The first decides where a segment that should be an ARN is a whole one, so that no slash in a topic's name
// is taken for one of the path's; then the second. What is no ARN at all (a typo) reaches the operation by the first all the same,
// and is refused there with a better text.
const arnPattern = `arn:[^/]*:(?:` +
	`(?:cluster|configuration|replicator)/[^/]+/[^/]+` +
	`|(?:cluster-operation|vpc-connection|channel|topic|group|transactional-id)/[^/]+/[^/]+/[^/]+)`

type route struct {
	op      Operation
	labels  []string // wire names of the path parameters, in order
	decoded *regexp.Regexp
	encoded *regexp.Regexp
}

var (
	routes = newRoutes()
	label  = regexp.MustCompile(`\\\{([A-Za-z]+)\\\}`)
)

func newRoutes() []route {
	var rs []route
	for _, op := range operations {
		rs = append(rs, newRoute(op))
	}
	return rs
}

func newRoute(op Operation) route {
	r := route{op: op}
	uri := regexp.QuoteMeta(op.URI)
	decoded := label.ReplaceAllStringFunc(uri, func(l string) string {
		name := wireName(label.FindStringSubmatch(l)[1])
		r.labels = append(r.labels, name)
		if isARNLabel(name) {
			return "(" + arnPattern + ")"
		}
		return "([^/]+)"
	})
	r.decoded = regexp.MustCompile("^" + decoded + "$")
	r.encoded = regexp.MustCompile("^" + label.ReplaceAllString(uri, "([^/]+)") + "$")
	return r
}

// Match finds the operation a request means and its path parameters, decoded, by their wire names. A path that is none
// is a BadRequest, never a NotFound: clients take NotFound for "the cluster is gone" and forget it.
func Match(method, path string) (Operation, map[string]string, error) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return Operation{}, nil, BadRequest("", "The path is not valid percent-encoding.")
	}
	for _, find := range []func(route) []string{
		func(r route) []string { return r.wholeARNs(unescapeAll(groups(r.encoded, path))) },
		func(r route) []string { return groups(r.decoded, decoded) },
		func(r route) []string { return unescapeAll(groups(r.encoded, path)) },
	} {
		for _, r := range routes {
			if r.op.Method != method {
				continue
			}
			if values := find(r); values != nil {
				return r.op, r.params(values), nil
			}
		}
	}
	return Operation{}, nil, BadRequest("", "%s is not an operation of this API.", method+" "+decoded)
}

// groups are the path parameters that a pattern finds; nil when it does not match, and never nil when it does.
func groups(pattern *regexp.Regexp, path string) []string {
	if m := pattern.FindStringSubmatch(path); m != nil {
		return m[1:]
	}
	return nil
}

// wholeARNs gives the parameters back if those that should be ARNs are.
func (r route) wholeARNs(values []string) []string {
	for i, v := range values {
		if isARNLabel(r.labels[i]) && !IsARN(v) {
			return nil
		}
	}
	return values
}

func isARNLabel(name string) bool { return strings.HasSuffix(strings.ToLower(name), "arn") }

func (r route) params(values []string) map[string]string {
	params := make(map[string]string, len(values))
	for i, v := range values {
		params[r.labels[i]] = v
	}
	return params
}

// unescapeAll decodes parts of a path that is known to decode as a whole.
func unescapeAll(parts []string) []string {
	for i, p := range parts {
		if d, err := url.PathUnescape(p); err == nil {
			parts[i] = d
		}
	}
	return parts
}
