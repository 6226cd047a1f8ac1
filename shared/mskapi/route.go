package mskapi

import (
	"net/url"
	"regexp"
	"strings"
)

// Paths hold ARNs, and an ARN holds slashes. Clients send them as %2F; some front doors decode them. So each route has
// two patterns: one that knows how many slashes each kind of ARN has, for the decoded path, and one that takes whole
// segments, for the path as sent. The first decides; the second is for what is no ARN at all (a typo, a topic name with
// a slash), which then reaches the operation and is refused there with a better text.
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
		if strings.HasSuffix(strings.ToLower(name), "arn") {
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
	for _, r := range routes {
		if r.op.Method != method {
			continue
		}
		if m := r.decoded.FindStringSubmatch(decoded); m != nil {
			return r.op, r.params(m[1:]), nil
		}
	}
	for _, r := range routes {
		if r.op.Method != method {
			continue
		}
		if m := r.encoded.FindStringSubmatch(path); m != nil {
			return r.op, r.params(unescapeAll(m[1:])), nil
		}
	}
	return Operation{}, nil, BadRequest("", "%s is not an operation of this API.", method+" "+decoded)
}

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
