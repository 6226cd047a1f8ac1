package asl

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"

	"github.com/ohler55/ojg/jp"
)

// scope is what an expression can see.
type scope struct {
	input     any                           // $
	context   func() any                    // $$, built when first asked for
	variables func(name string) (any, bool) // $name
	rand      *rand.Rand                    // States.MathRandom and States.UUID
}

// expression gives a value out of a scope: a path or a call of an intrinsic function.
type expression interface {
	value(in scope) (any, error)
	String() string
}

// parseExpression reads a path or an intrinsic call.
func parseExpression(text string) (expression, error) {
	if strings.HasPrefix(text, "States.") {
		return parseIntrinsic(text)
	}
	return parsePath(text)
}

// path is a JSONPath into the input ($), the context object ($$) or a variable ($name).
type path struct {
	text     string
	root     string // "$", "$$" or a variable's name
	steps    jp.Expr
	definite bool // can match one node at most; otherwise the value is the list of matches
}

var variablePath = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)(.*)$`)

// parsePath reads a path and says what is wrong with it.
func parsePath(text string) (*path, error) {
	p := &path{text: text, root: "$"}
	rest := text
	switch {
	case strings.HasPrefix(text, "$$"):
		p.root, rest = "$$", text[1:]
	case variablePath.MatchString(text):
		m := variablePath.FindStringSubmatch(text)
		p.root, rest = m[1], "$"+m[2]
	case !strings.HasPrefix(text, "$"):
		return nil, fmt.Errorf("%q is not a path: it does not start with $", text)
	}
	steps, err := jp.ParseString(bracketNames(rest))
	if err != nil {
		return nil, fmt.Errorf("%q is not a path: %w", text, err)
	}
	p.steps, p.definite = steps, steps.Normal()
	return p, nil
}

var plainName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*|\*|)$`)

// bracketNames writes a path as the JSONPath library wants it: AWS takes any name after a dot, so .a-b is ['a-b'].
func bracketNames(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		switch text[i] {
		case '.':
			end := i + 1 + len(text[i+1:])
			if n := strings.IndexAny(text[i+1:], ".["); n >= 0 {
				end = i + 1 + n
			}
			if name := text[i+1 : end]; plainName.MatchString(name) {
				out.WriteString(text[i:end])
			} else {
				out.WriteString("['" + strings.ReplaceAll(name, "'", `\'`) + "']")
			}
			i = end
		case '[':
			end := i + bracketLength(text[i:])
			name := text[i:end]
			if strings.HasPrefix(name, "['") {
				name = strings.ReplaceAll(name, `\"`, `\\"`) // between single quotes this is no escape on AWS
			}
			out.WriteString(name)
			i = end
		default:
			out.WriteByte(text[i])
			i++
		}
	}
	return out.String()
}

// bracketLength is the length of the bracketed part that text starts with, its quoted and nested parts included.
func bracketLength(text string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

func (p *path) String() string { return p.text }

// value follows the path. A definite path that leads nowhere is a States.Runtime failure; an indefinite one gives the
// list of its matches, which may be empty.
func (p *path) value(in scope) (any, error) {
	v, found, err := p.find(in)
	if err == nil && !found {
		err = fail(errRuntime, "The JSONPath '%s' could not be found in the input '%s'", p.text, encode(in.input))
	}
	return v, err
}

// find is value for those to whom nothing found is an answer.
func (p *path) find(in scope) (v any, found bool, err error) {
	root := in.input
	switch p.root {
	case "$":
	case "$$":
		root = in.context()
	default:
		if root, found = in.variables(p.root); !found {
			return nil, false, fail(errRuntime, "The variable '$%s' referenced by '%s' has not been assigned", p.root, p.text)
		}
	}
	matches := p.steps.Get(root)
	if p.definite {
		if len(matches) == 0 {
			return nil, false, nil
		}
		return matches[0], true, nil
	}
	if matches == nil {
		matches = []any{}
	}
	return matches, true, nil
}
