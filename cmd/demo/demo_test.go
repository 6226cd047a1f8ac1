package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestProviderBlock_IsTheOneOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if block := providerBlock("us-east-1", "http://127.0.0.1:4600"); !strings.Contains(string(readme), "```hcl\n"+block+"```") {
		t.Errorf("the README has another block than:\n%s", block)
	}
}

// terraform fmt parses; it needs no provider.
func TestProviderBlock_IsWhatTerraformReads(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on this machine; the project does not need it")
	}
	file := filepath.Join(t.TempDir(), "provider.tf")
	if err := os.WriteFile(file, []byte(providerBlock("us-east-1", "http://127.0.0.1:4600")), 0o600); err != nil {
		t.Fatal(err)
	}
	if printed, err := exec.CommandContext(t.Context(), terraform, "fmt", "-check", "-diff", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, printed)
	}
}
