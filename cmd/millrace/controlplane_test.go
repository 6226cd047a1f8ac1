package main

import "testing"

func TestBytesOfGiB_TakesNothingForASizeThatIsNone(t *testing.T) {
	for setting, want := range map[string]int64{"": 0, "1048576": 1 << 20} {
		if got, err := bytesOfGiB(setting); err != nil || got != want {
			t.Errorf("MILLRACE_GIB=%q: %d (%v), want %d", setting, got, err, want)
		}
	}
	for _, setting := range []string{"0", "-1", "1MiB"} {
		if got, err := bytesOfGiB(setting); err == nil {
			t.Errorf("MILLRACE_GIB=%q is taken for %d bytes", setting, got)
		}
	}
}
