package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

// Values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// print writes a result as the user wishes: for programs as it is, for people by the function.
func (a *app) print(result any, forPeople func(w io.Writer) error) error {
	if a.output == outputJSON {
		return writeJSON(a.out, result)
	}
	return forPeople(a.out)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// table writes aligned columns. Each cell becomes one line of text, and a dash when there is nothing to say, so that a
// program which splits at blanks finds every column.
func table(w io.Writer, header []string, rows [][]string) error {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(aligned, strings.Join(header, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = oneLine(cell)
		}
		fmt.Fprintln(aligned, strings.Join(cells, "\t"))
	}
	return aligned.Flush()
}

// facts writes one thing as a list of names and values; a fact with an empty value is left out.
func facts(w io.Writer, pairs ...[2]string) error {
	aligned := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, pair := range pairs {
		if pair[1] != "" {
			fmt.Fprintf(aligned, "%s:\t%s\n", pair[0], oneLine(pair[1]))
		}
	}
	return aligned.Flush()
}

func oneLine(text string) string {
	if text = strings.Join(strings.Fields(text), " "); text == "" {
		return "-"
	}
	return text
}

var plainWord = regexp.MustCompile(`^[0-9A-Za-z_./:=@%+,-]+$`)

// shellQuote writes a word so that every POSIX shell reads it as it is.
func shellQuote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
