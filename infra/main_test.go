package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSynth_SaysWhatDoesNotFitAndNothingBesides(t *testing.T) {
	program := filepath.Join(t.TempDir(), "infra")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./infra").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for range 5 { // what jsii has to say of its own end it says more often than not
		c := exec.CommandContext(t.Context(), program)
		c.Env = append(c.Environ(), `CDK_CONTEXT_JSON={"vpcCidr":"nonsense","brokerImageId":"nonsense"}`,
			"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
		out, err := c.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "infra: the parameters do not fit:\n") {
			t.Errorf("%v, and it says\n%s", err, out)
		}
	}
}
