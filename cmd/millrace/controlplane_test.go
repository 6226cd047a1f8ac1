package main

import (
	"testing"
	"time"
)

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

func TestVolumeRests_TakesNothingForATimeThatIsNone(t *testing.T) {
	for setting, want := range map[string]time.Duration{"": 0, "6h": 6 * time.Hour, "0s": 0} {
		if got, err := volumeRests(setting); err != nil || got != want {
			t.Errorf("MILLRACE_VOLUME_RESTS=%q: %s (%v), want %s", setting, got, err, want)
		}
	}
	for _, setting := range []string{"6", "-1h", "long"} {
		if got, err := volumeRests(setting); err == nil {
			t.Errorf("MILLRACE_VOLUME_RESTS=%q is taken for %s", setting, got)
		}
	}
}
