package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

type greetInput struct {
	Name string `json:"name"`
}

type greetOutput struct {
	Greeting string `json:"greeting"`
}

var steps = serve.Steps{
	"Greet": serve.New(func(_ context.Context, in greetInput) (greetOutput, error) {
		return greetOutput{"hello " + in.Name}, nil
	}),
	"Panic": serve.New(func(context.Context, greetInput) (greetOutput, error) {
		var nobody *greetInput
		return greetOutput{nobody.Name}, nil
	}),
	"Conflict": serve.New(func(context.Context, greetInput) (greetOutput, error) {
		return greetOutput{}, fmt.Errorf("greet: %w", fault.New(fault.Conflict, "somebody else greets"))
	}),
	"Plain": serve.New(func(context.Context, greetInput) (greetOutput, error) {
		return greetOutput{}, errors.New("no code")
	}),
	"Late": serve.New(func(context.Context, greetInput) (greetOutput, error) {
		return greetOutput{}, fmt.Errorf("greet: %w", context.DeadlineExceeded)
	}),
}

func TestInvoke_AnswersWithTheStepsOutput(t *testing.T) {
	answer, err := steps.Invoke(t.Context(), []byte(`{"step":"Greet","name":"Ada"}`))
	if err != nil || string(answer) != `{"greeting":"hello Ada"}` {
		t.Errorf("%s, %v", answer, err)
	}
}

func TestInvoke_NamesErrorsByTheirCode(t *testing.T) {
	for _, tt := range []struct {
		name, payload string
		code          fault.Code
		message       string
	}{
		{"a code, however deeply wrapped", `{"step":"Conflict"}`, fault.Conflict, "greet: somebody else greets"},
		{"no code", `{"step":"Plain"}`, fault.Internal, "no code"},
		{"no time left", `{"step":"Late"}`, fault.Unavailable, "greet: context deadline exceeded"},
		{"a panic", `{"step":"Panic"}`, fault.Internal, "step Panic panicked"},
		{"a step that is not here", `{"step":"Sing"}`, fault.Invalid, `there is no step "Sing" here`},
		{"no step", `{}`, fault.Invalid, `there is no step "" here`},
		{"no JSON", `{"step":`, fault.Invalid, "decode payload"},
		{"input of another type", `{"step":"Greet","name":7}`, fault.Invalid, "decode input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := steps.Invoke(t.Context(), []byte(tt.payload))
			var served *serve.Error
			if !errors.As(err, &served) {
				t.Fatalf("%s, %v", answer, err)
			}
			if served.ErrorType() != string(tt.code) || !strings.Contains(served.Message, tt.message) {
				t.Errorf("%s: %s, want %s: %s", served.ErrorType(), served.Message, tt.code, tt.message)
			}
			var cause struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal([]byte(served.ErrorCause()), &cause); err != nil {
				t.Fatal(err)
			}
			if cause.ErrorType != string(tt.code) || cause.ErrorMessage != served.Message {
				t.Errorf("as Lambda reports it: %+v", cause)
			}
		})
	}
}

func TestUntil_AnswersAtOnceWhenItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := serve.Until(t.Context(), nil, func(context.Context) (bool, error) { return true, nil })
		if err != nil || time.Since(began) != 0 {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestUntil_IsWokenByAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, changed, checks := time.Now(), make(chan struct{}, 1), 0
		go func() {
			for range 2 {
				time.Sleep(3 * time.Second)
				changed <- struct{}{}
			}
		}()
		err := serve.Until(t.Context(), changed, func(context.Context) (bool, error) {
			checks++
			return checks == 3, nil
		})
		if err != nil || checks != 3 || time.Since(began) != 6*time.Second {
			t.Errorf("%v after %s and %d checks", err, time.Since(began), checks)
		}
	})
}

func TestUntil_EndsWithoutAnErrorWhenNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := serve.Until(t.Context(), make(chan struct{}), func(context.Context) (bool, error) { return false, nil })
		if err != nil || time.Since(began) != serve.LongPoll {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestUntil_StopsAtTheFirstError(t *testing.T) {
	want := errors.New("broken")
	if err := serve.Until(t.Context(), nil, func(context.Context) (bool, error) { return false, want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
}

func TestUntil_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := serve.Until(ctx, nil, func(context.Context) (bool, error) { return false, nil })
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%v", err)
		}
	})
}
