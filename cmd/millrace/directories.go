package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/shared/platform/local"
)

// layout gives the data directory by its real path. The processes of hosts are known by that path, so every command has
// to call it the same, whichever link the user came by.
func (a *app) layout() (local.Layout, error) {
	dir := a.data
	if dir == "" {
		var err error
		if dir, err = defaultData(); err != nil {
			return local.Layout{}, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return local.Layout{}, err
	}
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return local.Layout{Dir: dir}, nil
	}
	return local.Layout{Dir: real}, err
}

func defaultData() (string, error) {
	if dir := os.Getenv("MILLRACE_DATA"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // the XDG specification: ignore any other
		return filepath.Join(dir, "millrace"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no data directory (%w); name one with --data", err)
	}
	return filepath.Join(home, ".local", "share", "millrace"), nil
}

// agentProgram finds the program that runs on hosts: it is installed beside this one.
func agentProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the broker-agent program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", fmt.Errorf("find the broker-agent program: %w", err)
	}
	return filepath.Join(filepath.Dir(self), "broker-agent"), nil
}
