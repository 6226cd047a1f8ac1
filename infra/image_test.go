package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestImage_CallsTheAgentByCommandsThatItHas(t *testing.T) {
	usage, err := os.ReadFile("cmd/broker-agent/main.go")
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob(filepath.Join(imageFiles, "*.service"))
	if err != nil || len(units) != 2 {
		t.Fatalf("units: %v, %v", units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		start := regexp.MustCompile(`(?m)^ExecStart=/opt/millrace/(broker-agent .+)$`).FindSubmatch(text)
		if start == nil || !strings.Contains(string(usage), "\n  "+string(start[1])+"\n") {
			t.Errorf("%s starts %s, which is none of the examples of broker-agent", unit, start)
		}
	}
}

func TestImage_IsMadeByAScriptThatBashReadsAndAComponentThatFits(t *testing.T) {
	if output, err := exec.CommandContext(t.Context(), "bash", "-n", filepath.Join(imageFiles, "install.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if size := len(imageComponent); size > 16_000 {
		t.Errorf("the component is %d characters long; Image Builder takes 16000", size)
	}
}
