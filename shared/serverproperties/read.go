package serverproperties

import (
	"strconv"
	"strings"
)

// assignment is one property as it stands in the text.
type assignment struct{ key, value string }

const blanks = " \t\f"

// read splits a text as java.util.Properties does, because that is what reads the file of a broker: comments begin with
// # or !, a backslash at the end of a line continues it, and a key ends at the first =, : or blank that no backslash
// protects. Every text can be read; what makes no sense becomes a key that nobody knows.
func read(text string) []assignment {
	var assignments []assignment
	for _, line := range logicalLines(text) {
		assignments = append(assignments, split(line))
	}
	return assignments
}

// logicalLines joins continued lines and leaves out comments and blank lines.
func logicalLines(text string) []string {
	var lines []string
	var line strings.Builder
	continues := false
	for natural := range strings.SplitSeq(unixLineEnds.Replace(text), "\n") {
		natural = strings.TrimLeft(natural, blanks)
		// What continues a line is never a comment, and ends it when it is empty.
		if !continues && (natural == "" || natural[0] == '#' || natural[0] == '!') {
			continue
		}
		continues = endsInBackslash(natural)
		if continues {
			line.WriteString(natural[:len(natural)-1])
			continue
		}
		line.WriteString(natural)
		lines = append(lines, line.String())
		line.Reset()
	}
	if line.Len() > 0 { // the text ended in a backslash
		lines = append(lines, line.String())
	}
	return lines
}

var unixLineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// endsInBackslash tells whether the last backslash of a line protects the line's end, and not just itself.
func endsInBackslash(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

func split(line string) assignment {
	end := 0
	for end < len(line) && !strings.ContainsRune("=:"+blanks, rune(line[end])) {
		if line[end] == '\\' {
			end++ // and what it protects
		}
		end++
	}
	end = min(end, len(line))
	value := strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	return assignment{unescape(line[:end]), unescape(value)}
}

// unescape resolves backslashes. A \u without four hexadecimal digits, on which Java gives up, is left as it is.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '\\' || len(s) == 1 {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		escaped := s[1]
		s = s[2:]
		switch escaped {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			s = unescapeUnicode(&b, s)
		default:
			b.WriteByte(escaped)
		}
	}
	return b.String()
}

// unescapeUnicode writes the character of a \u whose digits begin s, and gives what follows them.
func unescapeUnicode(b *strings.Builder, s string) string {
	if len(s) >= 4 {
		if char, err := strconv.ParseUint(s[:4], 16, 16); err == nil {
			b.WriteRune(rune(char))
			return s[4:]
		}
	}
	b.WriteString(`\u`)
	return s
}
