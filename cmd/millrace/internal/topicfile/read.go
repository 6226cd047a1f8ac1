package topicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/millrace/millrace/shared/cluster"
)

// reader reads one file. It walks the nodes of a document instead of decoding it, because only they know their lines, and
// because Kafka has to be given what people wrote: 604800000 and not 6.048e+08.
type reader struct {
	file     string
	problems *problems
}

// topic is what is declared, and where.
type topic struct {
	cluster.DeclaredTopic
	line int
}

func (r reader) problem(n *yaml.Node, format string, args ...any) {
	r.problems.add(position{r.file, n.Line}, format, args...)
}

// read gives the topics that a file declares, which may hold several documents of YAML.
func (r reader) read(text []byte) []topic {
	roots, err := r.parse(text)
	if err != nil {
		*r.problems = append(*r.problems, r.sayUnreadable(err))
		return nil
	}
	if len(roots) == 0 {
		*r.problems = append(*r.problems, r.file+": it is empty; a document that declares no topic is: topics: []")
	}
	var topics []topic
	for _, root := range roots {
		topics = append(topics, r.document(root)...)
	}
	return topics
}

func (r reader) parse(text []byte) ([]*yaml.Node, error) {
	if root, isJSON, err := parseJSON(text, strings.HasSuffix(r.file, ".json")); isJSON {
		return []*yaml.Node{root}, err
	}
	var roots []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, err
		}
		if root := document.Content[0]; root.ShortTag() != "!!null" { // what stands between two separators may be a comment alone
			roots = append(roots, root)
		}
	}
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (r reader) sayUnreadable(err error) string {
	var json *jsonError
	if errors.As(err, &json) {
		return position{r.file, json.line}.String() + ": " + json.Error()
	}
	text := err.Error()
	where := yamlError.FindStringSubmatch(text)
	if where == nil || where[1] == "" {
		return r.file + ": " + yamlError.ReplaceAllString(text, "")
	}
	return r.file + ":" + where[1] + ": " + text[len(where[0]):]
}

// What the members of a document and of a topic are called.
var (
	documentMembers = []string{"topics"}
	topicMembers    = []string{"name", "partitions", "replicationFactor", "configs", "owner", "protected"}
)

func (r reader) document(root *yaml.Node) []topic {
	members, ok := r.mapping(root, "a document", documentMembers)
	if !ok {
		return nil
	}
	list, ok := members["topics"]
	if !ok {
		r.problem(root, "topics is missing; a document that declares no topic is: topics: []")
		return nil
	}
	list = resolve(list)
	if list.Kind != yaml.SequenceNode {
		r.problem(list, "topics is a list, not %s", kindOf(list))
		return nil
	}
	var topics []topic
	for _, n := range list.Content {
		if t, ok := r.topic(n); ok {
			topics = append(topics, t)
		}
	}
	return topics
}

func (r reader) topic(n *yaml.Node) (topic, bool) {
	t := topic{line: n.Line}
	members, ok := r.mapping(n, "a topic", topicMembers)
	if !ok {
		return t, false
	}
	missing := slices.DeleteFunc(slices.Clone(topicMembers[:3]), func(name string) bool { _, there := members[name]; return there })
	if len(missing) > 0 {
		r.problem(n, "%s missing of the topic%s", areMissing(missing), nameIn(members))
	}
	t.Name = r.text(members["name"], "name")
	t.Partitions = r.whole(members["partitions"], "partitions")
	t.ReplicationFactor = r.whole(members["replicationFactor"], "replicationFactor")
	t.Owner = r.text(members["owner"], "owner")
	t.Protected = r.truth(members["protected"], "protected")
	t.Configs = r.configs(members["configs"])
	return t, t.Name != ""
}

func areMissing(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, " and ") + " are"
}

func nameIn(members map[string]*yaml.Node) string {
	if n, ok := members["name"]; ok && resolve(n).Kind == yaml.ScalarNode {
		return " " + resolve(n).Value
	}
	return ""
}

// mapping gives the members of a mapping by name; those that are not known, or are there twice, are problems.
func (r reader) mapping(n *yaml.Node, what string, known []string) (map[string]*yaml.Node, bool) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s is a mapping with the members %s, not %s", what, strings.Join(known, ", "), kindOf(n))
		return nil, false
	}
	members := r.members(n)
	for _, m := range members {
		if !slices.Contains(known, m.key.Value) {
			r.problem(m.key, "%s has no member %s; it has %s", what, m.key.Value, strings.Join(known, ", "))
		}
	}
	return valuesOf(members), true
}

type member struct{ key, value *yaml.Node }

func valuesOf(members []member) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	for _, m := range members {
		values[m.key.Value] = m.value
	}
	return values
}

// members gives what a mapping holds, in order, and then what it takes over from others by <<, which it may say otherwise.
func (r reader) members(n *yaml.Node, outer ...*yaml.Node) []member {
	if slices.Contains(outer, n) {
		r.problem(n, "it takes itself over by <<")
		return nil
	}
	var own []member
	var merged []*yaml.Node
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.problem(key, "a name is text, not %s", kindOf(key))
			continue
		}
		if line, again := lines[key.Value]; again {
			r.problem(key, "%s is there already, in line %d", key.Value, line)
			continue
		}
		lines[key.Value] = key.Line
		own = append(own, member{key, value})
	}
	for _, from := range merged {
		for _, m := range r.takenOver(from, append(outer, n)) {
			if _, said := lines[m.key.Value]; !said {
				lines[m.key.Value] = m.key.Line
				own = append(own, m)
			}
		}
	}
	return own
}

// takenOver gives what << takes over: of a mapping, or of several, of which the first counts.
func (r reader) takenOver(from *yaml.Node, outer []*yaml.Node) []member {
	from = resolve(from)
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	var all []member
	for _, source := range sources {
		if source = resolve(source); source.Kind != yaml.MappingNode {
			r.problem(source, "<< takes over a mapping, not %s", kindOf(source))
			continue
		}
		all = append(all, r.members(source, outer...)...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(m member) bool {
		defer func() { seen[m.key.Value] = true }()
		return seen[m.key.Value]
	})
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		if n.ShortTag() == "!!null" {
			return "nothing"
		}
		return strconv.Quote(n.Value)
	}
}

func (r reader) text(n *yaml.Node, name string) string {
	if n == nil {
		return ""
	}
	if n = resolve(n); n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.problem(n, "%s is text, not %s", name, kindOf(n))
		return ""
	}
	if n.Value == "" && name == "name" {
		r.problem(n, "name is empty")
	}
	return n.Value
}

func (r reader) whole(n *yaml.Node, name string) int {
	if n == nil {
		return 0
	}
	n = resolve(n)
	var number int
	if n.ShortTag() != "!!int" || n.Decode(&number) != nil {
		r.problem(n, "%s is a whole number, not %s", name, kindOf(n))
	}
	return number
}

func (r reader) truth(n *yaml.Node, name string) bool {
	if n == nil {
		return false
	}
	n = resolve(n)
	var truth bool
	if n.ShortTag() != "!!bool" || n.Decode(&truth) != nil {
		r.problem(n, "%s is true or false, not %s", name, kindOf(n))
	}
	return truth
}

func (r reader) configs(n *yaml.Node) map[string]string {
	if n == nil || resolve(n).ShortTag() == "!!null" { // "configs:" with nothing below it
		return nil
	}
	if n = resolve(n); n.Kind != yaml.MappingNode {
		r.problem(n, "configs is a mapping of properties to values, not %s", kindOf(n))
		return nil
	}
	configs := map[string]string{}
	for _, m := range r.members(n) {
		value, err := configValue(m.value)
		if err != nil {
			r.problem(m.key, "%s %v", m.key.Value, err)
		}
		configs[m.key.Value] = value
	}
	return configs
}

// configValue gives a value as Kafka expects it, as text: numbers without exponent, true and false, lists with commas.
func configValue(n *yaml.Node) (string, error) {
	n = resolve(n)
	switch n.Kind {
	case yaml.SequenceNode:
		var values []string
		for _, element := range n.Content {
			if resolve(element).Kind != yaml.ScalarNode {
				return "", fmt.Errorf("is a list of %s; its elements are text and numbers", kindOf(resolve(element)))
			}
			value, err := configValue(element)
			if err != nil {
				return "", err
			}
			values = append(values, value)
		}
		return strings.Join(values, ","), nil
	case yaml.MappingNode:
		return "", errors.New("can't be a mapping; a property with dots in its name is written in one line")
	default:
		return scalarValue(n)
	}
}

var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func scalarValue(n *yaml.Node) (string, error) {
	switch n.ShortTag() {
	case "!!null":
		return "", errors.New(`has no value; leave it away to inherit one, or write "" for an empty one`)
	case "!!bool":
		var truth bool
		err := n.Decode(&truth)
		return strconv.FormatBool(truth), err
	case "!!int", "!!float":
		return numberValue(n)
	case "!!binary":
		return "", errors.New("can't be binary")
	default: // text, and what YAML takes for a date
		return n.Value, nil
	}
}

// numberValue writes a number as Kafka reads it. What YAML and Kafka read differently is refused: 010 is 8 to one and 10 to the other.
func numberValue(n *yaml.Node) (string, error) {
	if plainNumber.MatchString(n.Value) {
		return n.Value, nil
	}
	if strings.HasPrefix(strings.TrimLeft(n.Value, "+-"), "0") && !strings.ContainsAny(n.Value, ".eExXbo") {
		return "", fmt.Errorf("is %s, which some read as octal; write it without the zero in front", n.Value)
	}
	if n.ShortTag() == "!!int" {
		var number int64
		if err := n.Decode(&number); err != nil {
			return "", fmt.Errorf("is %s, which is no number that Kafka knows", n.Value)
		}
		return strconv.FormatInt(number, 10), nil
	}
	var number float64
	if err := n.Decode(&number); err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return "", fmt.Errorf("is %s, which is no number that Kafka knows", n.Value)
	}
	return strconv.FormatFloat(number, 'f', -1, 64), nil
}
