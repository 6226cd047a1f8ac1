package lambdaruntime

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What tests and figures are about has to be what is deployed.
func TestBuild_TakesTheTagsThatTheMakefileDoes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Split(string(text), "\n"), "FUNCTION_TAGS := "+tags) {
		t.Errorf("the Makefile builds functions with other tags than %s", tags)
	}
}
