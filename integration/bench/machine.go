package main

import (
	"os"
	"runtime"
	"strings"
)

// machine is where the figures come from. They mean little without it: most of them are processor time.
type machine struct {
	Cores int `json:"cores"`
	// Load is the machine's load average of 1, 5 and 15 minutes, before anything is measured.
	Load string `json:"load"`
	OS   string `json:"os"`
}

func lookAtMachine() machine {
	return machine{Cores: runtime.NumCPU(), Load: loadAverage(), OS: runtime.GOOS + "/" + runtime.GOARCH}
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}
