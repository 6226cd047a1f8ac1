package brokeragent

import (
	"regexp"
	"slices"
	"strings"
)

// tellingLine finds why a Kafka process ended, in the words of its log and of its JVM's output, both from this process
// alone. It is empty when neither tells.
//
//  1. A JVM that gave up says so last.
//  2. Kafka's log ends with errors, each perhaps with an exception and its causes. The last error that tells anything
//     counts: Kafka repeats the cause on its way down, and only adds cancelled work and broken shutdowns after it.
//  3. Without any, the JVM did not get as far as Kafka.
func tellingLine(log, output string) string {
	lastWords := lastWords(output)
	if strings.HasPrefix(lastWords, "Terminating due to") {
		return lastWords
	}
	for _, e := range slices.Backward(parseErrors(log)) {
		if line := e.telling(); line != "" {
			return line
		}
	}
	return lastWords
}

// loggedError is an ERROR or FATAL line and the exception that follows it, if any, from the outermost to its root cause.
type loggedError struct {
	message string
	chain   []exception
}

type exception struct{ class, message string }

var (
	// logLine matches the first line of an entry, as both of Kafka's logging libraries write it here:
	// time, level, message (logger).
	logLine = regexp.MustCompile(`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d,\d{3} ([A-Z]+) (.*?)(?: \([\w.$]+\))?$`)
	// exceptionLine matches the first line of an exception, or of one of its causes.
	exceptionLine = regexp.MustCompile(`^(?:Caused by: )?((?:[a-z]\w*\.)+[A-Z][\w$]*)(?:: (.*))?$`)
)

func parseErrors(log string) []loggedError {
	var errors []loggedError
	inError := false
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if entry := logLine.FindStringSubmatch(line); entry != nil {
			inError = entry[1] == "ERROR" || entry[1] == "FATAL"
			if inError {
				errors = append(errors, loggedError{message: entry[2]})
			}
			continue
		}
		if e := exceptionLine.FindStringSubmatch(line); inError && e != nil {
			last := &errors[len(errors)-1]
			last.chain = append(last.chain, exception{class: e[1], message: e[2]})
		}
	}
	return errors
}

// telling is the error in one line. It is empty for what only follows from another error: work that was cancelled without
// a word, and objects that were never made being closed.
func (e loggedError) telling() string {
	if len(e.chain) == 0 {
		return e.message
	}
	root := e.chain[len(e.chain)-1]
	if root.message == "" || strings.HasSuffix(root.class, ".NullPointerException") {
		return ""
	}
	if len(e.chain) == 1 {
		return root.text()
	}
	// The root cause says what is wrong ("Address already in use"), the one above it where; some say both already.
	above := e.chain[len(e.chain)-2]
	if above.message == "" || strings.Contains(above.message, root.message) {
		return firstNonEmpty(above.message, root.text())
	}
	return above.message + ": " + root.text()
}

// text leaves the class out where the message is a sentence; "/some/path" alone would not say what is wrong with it.
func (e exception) text() string {
	if strings.Contains(e.message, " ") {
		return e.message
	}
	return e.class[strings.LastIndexByte(e.class, '.')+1:] + ": " + e.message
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// unspecific lines of a JVM's output stand around the one that tells.
var unspecific = []string{
	"Error: Could not create the Java Virtual Machine.",
	"Error: A fatal exception has occurred. Program will exit.",
	"Error occurred during initialization of VM",
	"NOTE: ",
	"Picked up ",
	"SLF4J: ",
}

// lastWords is the last line of a JVM's output that says something of its own.
func lastWords(output string) string {
	for _, line := range slices.Backward(strings.Split(output, "\n")) {
		text := strings.TrimSpace(line)
		isFrame := strings.HasPrefix(line, "\t")
		isWarning := strings.Contains(text, " warning: ") || strings.Contains(text, "[warning]")
		isUnspecific := slices.ContainsFunc(unspecific, func(s string) bool { return strings.HasPrefix(text, s) })
		if text != "" && !isFrame && !isWarning && !isUnspecific {
			return text
		}
	}
	return ""
}
