package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ModuleRoot is where go.mod lies: here, or above.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the checkout")
		}
		dir = filepath.Dir(dir)
	}
}

// Functions lists the functions of the module at root that are built for Lambda, by the names of their folders.
func Functions(root string) ([]string, error) {
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "lambda", "main.go"))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(mains))
	for i, main := range mains {
		names[i] = filepath.Base(filepath.Dir(filepath.Dir(main)))
	}
	return names, nil
}

// tags are those that the Makefile deploys functions with.
const tags = "lambda.norpc,grpcnotrace"

// Build builds a function of the module at root, as it is deployed, for an architecture of Go's, and gives the path of the
// program: <dir>/<function>/bootstrap.
func Build(ctx context.Context, root, dir, function, arch string) (string, error) {
	known, err := Functions(root)
	if err != nil {
		return "", err
	}
	if !slices.Contains(known, function) {
		return "", fmt.Errorf("there is no function %q; there is %s", function, strings.Join(known, ", "))
	}
	program, err := filepath.Abs(filepath.Join(dir, function, "bootstrap"))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags=-s -w", "-o", program, "./functions/"+function+"/lambda")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build functions/%s: %w\n%s", function, err, output)
	}
	return program, nil
}

// Host is the architecture of this machine.
const Host = runtime.GOARCH
