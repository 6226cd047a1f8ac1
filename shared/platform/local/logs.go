package local

import "os"

const (
	// largeLog is the size, in bytes, from which the next start puts a log aside. One old log is kept.
	largeLog = 10 << 20
	// oldLogEnding is added to the name of a log that was put aside.
	oldLogEnding = ".1"
)

// OpenLog opens the log of a program that starts, to be appended to.
func OpenLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > largeLog {
		if err := os.Rename(path, path+oldLogEnding); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
}
