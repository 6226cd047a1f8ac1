package brokeragent

import "strings"

// HostDirFlag is the flag of the broker-agent program that names its host's directory.
const HostDirFlag = "--host-dir"

// HostDirOf reads from a command line which host the process belongs to: an agent's, or its Kafka's. Any other process,
// such as one that reads a host's logs, belongs to none.
func HostDirOf(commandLine []string) (dir string, ok bool) {
	if m, ok := parseMark(commandLine); ok {
		return m.hostDir, true
	}
	for i, argument := range commandLine {
		if argument == HostDirFlag && i > 0 && i+1 < len(commandLine) && commandLine[i-1] == "run" {
			return strings.TrimSuffix(commandLine[i+1], "/"), true
		}
	}
	return "", false
}
