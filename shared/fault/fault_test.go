package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/millrace/millrace/shared/fault"
)

func TestCodeOf_SurvivesWrapping(t *testing.T) {
	coded := fault.New(fault.NotFound, "cluster %s does not exist: %w", "orders", io.EOF)
	wrapped := fmt.Errorf("load cluster: %w", fmt.Errorf("store: %w", coded))

	for _, tt := range []struct {
		name string
		err  error
		want fault.Code
	}{
		{"no error has no code", nil, ""},
		{"a coded error", coded, fault.NotFound},
		{"a coded error, wrapped twice", wrapped, fault.NotFound},
		{"a coded error among several", errors.Join(io.EOF, coded), fault.NotFound},
		{"a deadline may be met next time", fmt.Errorf("dial: %w", context.DeadlineExceeded), fault.Unavailable},
		{"anything else is a bug until shown otherwise", io.EOF, fault.Internal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.CodeOf(tt.err); got != tt.want {
				t.Errorf("CodeOf = %q, want %q", got, tt.want)
			}
		})
	}
	if !errors.Is(wrapped, io.EOF) {
		t.Error("the cause is lost")
	}
}
