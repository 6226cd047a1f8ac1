package topicplan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace/shared/cluster"
	"github.com/millrace/millrace/shared/fault"
)

// Bounds of a declaration, so that it can be planned and recorded.
const (
	// MaxTopics is how many topics can be declared.
	MaxTopics = 2000
	maxOwner  = 256
	maxValue  = 8 << 10
	maxFactor = 1<<15 - 1 // Kafka's protocol has 16 bits for it
)

// Check refuses what can't be a declaration, whatever the cluster looks like, by an Invalid error that names the member.
func Check(topics []cluster.DeclaredTopic, permits cluster.TopicPermits) error {
	if len(topics) > MaxTopics {
		return fault.InvalidParameter("topics", "%d topics are declared; at most %d can be", len(topics), MaxTopics)
	}
	seen := map[string]string{} // by what Kafka tells names apart by
	for i, t := range topics {
		if wrong := NameFault(t.Name); wrong != "" {
			return fault.InvalidParameter("topics", "topic %d of what is declared: %s", i+1, wrong)
		}
		switch other, taken := seen[metricName(t.Name)]; {
		case taken && other == t.Name:
			return fault.InvalidParameter("topics", "%s is declared twice", t.Name)
		case taken:
			return fault.InvalidParameter("topics", "Kafka takes %s and %s for one name: declare one of them", other, t.Name)
		}
		seen[metricName(t.Name)] = t.Name
		if wrong := topicFault(t); wrong != "" {
			return fault.InvalidParameter("topics", "%s: %s", t.Name, wrong)
		}
	}
	if err := checkPermits("delete", permits.Delete); err != nil {
		return err
	}
	if err := checkPermits("discard", permits.Discard); err != nil {
		return err
	}
	for _, name := range permits.Discard {
		if !slices.ContainsFunc(topics, func(t cluster.DeclaredTopic) bool { return t.Name == name }) {
			return fault.InvalidParameter("discard", "records of %s may be discarded, which is not declared", name)
		}
	}
	return nil
}

func topicFault(t cluster.DeclaredTopic) string {
	switch {
	case cluster.IsInternalTopic(t.Name):
		return internal
	case t.Partitions < 1:
		return fmt.Sprintf("partitions is %d; it has to be at least 1", t.Partitions)
	case t.ReplicationFactor < 1 || t.ReplicationFactor > maxFactor:
		return fmt.Sprintf("replicationFactor is %d; it has to be at least 1, and at most the number of brokers", t.ReplicationFactor)
	case !isLine(t.Owner) || utf8.RuneCountInString(t.Owner) > maxOwner:
		return fmt.Sprintf("owner has to be one line of printable text with at most %d characters", maxOwner)
	}
	for name, value := range t.Configs {
		switch {
		case name == "" || strings.TrimSpace(name) != name || !isLine(name):
			return fmt.Sprintf("%q is no name of a property", name)
		case len(value) > maxValue || !utf8.ValidString(value):
			return fmt.Sprintf("the value of %s is no text of at most %d bytes", name, maxValue)
		}
	}
	return ""
}

func isLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

func checkPermits(parameter string, names []string) error {
	for i, name := range names {
		if wrong := NameFault(name); wrong != "" {
			return fault.InvalidParameter(parameter, "%s", wrong)
		}
		if slices.Contains(names[:i], name) {
			return fault.InvalidParameter(parameter, "%s is named twice", name)
		}
	}
	return nil
}

var legalName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// NameFault says what is wrong with a topic's name, by Kafka's rule; empty when nothing is.
func NameFault(name string) string {
	if name == "." || name == ".." || !legalName.MatchString(name) {
		return fmt.Sprintf("%q is no name of a topic: it takes 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' and '-', and can't be '.' or '..'", name)
	}
	return ""
}
