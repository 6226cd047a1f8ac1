package awsrules

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// element is a piece of one of EC2's answers: text, or elements.
type element struct {
	name     string
	space    string
	text     string
	children []*element
}

func parseXML(body []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	root := &element{}
	open := []*element{root}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read an answer of EC2: %w", err)
		}
		inner := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, space: token.Name.Space}
			inner.children = append(inner.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			inner.text += string(token)
		}
	}
	if len(root.children) != 1 {
		return nil, errors.New("read an answer of EC2: it is no document")
	}
	return root.children[0], nil
}

// encode writes an answer, with its namespace at the root only.
func (e *element) encode() []byte {
	var b bytes.Buffer
	e.write(&b, e.space)
	return b.Bytes()
}

func (e *element) write(b *bytes.Buffer, space string) {
	b.WriteString("<" + e.name)
	if space != "" {
		b.WriteString(` xmlns="` + escaped(space) + `"`)
	}
	b.WriteString(">")
	if len(e.children) == 0 {
		b.WriteString(escaped(e.text))
	}
	for _, c := range e.children {
		c.write(b, "")
	}
	b.WriteString("</" + e.name + ">")
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}

// child gives the element at a path of names; nil when there is none.
func (e *element) child(names ...string) *element {
	for _, name := range names {
		if e == nil {
			return nil
		}
		var found *element
		for _, c := range e.children {
			if c.name == name {
				found = c
				break
			}
		}
		e = found
	}
	return e
}

// at gives the text at a path; empty when there is nothing.
func (e *element) at(names ...string) string {
	if c := e.child(names...); c != nil {
		return strings.TrimSpace(c.text)
	}
	return ""
}

// all are the children of an element; none when there is no element.
func (e *element) all() []*element {
	if e == nil {
		return nil
	}
	return e.children
}

// set puts an element in the place of the one of its name, or after all others.
func (e *element) set(c *element) {
	for i, old := range e.children {
		if old.name == c.name {
			e.children[i] = c
			return
		}
	}
	e.children = append(e.children, c)
}

// drop removes the elements of a name.
func (e *element) drop(name string) {
	kept := e.children[:0]
	for _, c := range e.children {
		if c.name != name {
			kept = append(kept, c)
		}
	}
	e.children = kept
}

// keep keeps the children that are wanted.
func (e *element) keep(want func(*element) bool) {
	kept := []*element{}
	for _, c := range e.children {
		if want(c) {
			kept = append(kept, c)
		}
	}
	e.children = kept
}

func text(name, value string) *element { return &element{name: name, text: value} }

func node(name string, children ...*element) *element {
	return &element{name: name, children: children}
}
