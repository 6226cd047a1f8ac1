// Package topicfile reads documents that declare topics, in YAML and in JSON, and writes them. Whatever is wrong with one is said with
// the line that it is in. What a topic may be is the control plane's to decide.
package topicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/shared/cluster"
)

// Stdin is the name that stands for standard input.
const Stdin = "-"

// Load reads documents, which together declare topics: files, all documents in directories, and standard input.
func Load(stdin io.Reader, names []string) ([]cluster.DeclaredTopic, error) {
	var files []string
	for _, name := range names {
		found, err := documents(name)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	all := collection{first: map[string]position{}, topics: []cluster.DeclaredTopic{}}
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			return nil, fmt.Errorf("%s is named twice", file)
		}
		if err := all.add(stdin, file); err != nil {
			return nil, err
		}
	}
	return all.topics, all.problems.err()
}

// documents are the files that a name stands for.
func documents(name string) ([]string, error) {
	if name == Stdin {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no .yaml, .yml or .json in the directory %s", name)
	}
	return files, nil
}

// collection is what several documents declare together.
type collection struct {
	topics   []cluster.DeclaredTopic
	first    map[string]position // where each topic is declared
	problems problems
}

// position is a line of a file.
type position struct {
	file string
	line int
}

func (p position) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

func (c *collection) add(stdin io.Reader, file string) error {
	var text []byte
	var err error
	if file == Stdin {
		file = "standard input"
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return err
	}
	r := reader{file: file, problems: &c.problems}
	for _, t := range r.read(text) {
		if first, again := c.first[t.Name]; again {
			c.problems.add(position{file, t.line}, "%s is declared already, at %s", t.Name, first)
			continue
		}
		c.first[t.Name] = position{file, t.line}
		c.topics = append(c.topics, t.DeclaredTopic)
	}
	return nil
}

// problems are what is wrong with documents, each with its line.
type problems []string

func (p *problems) add(at position, format string, args ...any) {
	*p = append(*p, at.String()+": "+fmt.Sprintf(format, args...))
}

// mostProblems is how many are told at once: one mistake in a template is one in each of its topics.
const mostProblems = 20

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	if more := len(p) - mostProblems; more > 0 {
		p = append(p[:mostProblems:mostProblems], fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(p, "\n"))
}
