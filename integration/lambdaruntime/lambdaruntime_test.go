package lambdaruntime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/integration/lambdaruntime"
	"github.com/millrace/millrace/shared/fault"
	"github.com/millrace/millrace/shared/serve"
	"github.com/millrace/millrace/shared/trace"
)

// The program of these tests is the function that they run, too, when this is set.
const asFunction = "MILLRACE_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if os.Getenv(asFunction) != "" {
		serve.Lambda(func(context.Context) (serve.Function, error) {
			if os.Getenv(asFunction) == "misconfigured" {
				return nil, fault.New(fault.Invalid, "MILLRACE_TABLE is not set")
			}
			return steps, nil
		})
	}
	os.Exit(m.Run())
}

type input struct {
	Dir string `json:"dir"`
}

type output struct {
	PID   int           `json:"pid"`
	Trace string        `json:"trace"`
	Left  time.Duration `json:"left"`
	Home  string        `json:"home"`
}

var steps = serve.Steps{
	"Look": serve.New(func(ctx context.Context, _ input) (output, error) {
		slog.InfoContext(ctx, "looked")
		deadline, _ := ctx.Deadline()
		return output{os.Getpid(), trace.LambdaHeader(ctx), time.Until(deadline), os.Getenv("HOME")}, nil
	}),
	"Fail": serve.New(func(context.Context, input) (output, error) {
		return output{}, fmt.Errorf("launch: %w", fault.New(fault.Unsafe, "orders-3 would be lost"))
	}),
	"Panic": serve.New(func(context.Context, input) (output, error) { panic("no such thing") }),
	"Exit":  serve.New(func(context.Context, input) (output, error) { os.Exit(3); return output{}, nil }),
	"Hang": serve.New(func(ctx context.Context, _ input) (output, error) {
		<-ctx.Done()
		return output{}, fmt.Errorf("ask EC2: %w", ctx.Err())
	}),
	"HangForGood": serve.New(func(context.Context, input) (output, error) { select {} }),
	// Meet ends once two invocations are here at the same time.
	"Meet": serve.New(func(ctx context.Context, in input) (output, error) {
		if err := os.WriteFile(filepath.Join(in.Dir, fmt.Sprint(os.Getpid())), nil, 0o600); err != nil {
			return output{}, err
		}
		for ctx.Err() == nil {
			if here, err := os.ReadDir(in.Dir); err != nil || len(here) == 2 {
				return output{PID: os.Getpid()}, err
			}
			time.Sleep(time.Millisecond)
		}
		return output{}, ctx.Err()
	}),
}

func start(t *testing.T, c lambdaruntime.Config) *lambdaruntime.Function {
	t.Helper()
	c.Binary = os.Args[0]
	c.Environment = append(c.Environment, asFunction+"=yes")
	return lambdaruntime.Start(t, c)
}

func invoke(t *testing.T, f *lambdaruntime.Function, payload string) string {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// waitForProcesses waits until so many processes run.
func waitForProcesses(t *testing.T, f *lambdaruntime.Function, want int) {
	t.Helper()
	for late := time.Now().Add(time.Minute); f.Processes() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%d processes, want %d", f.Processes(), want)
		}
	}
}

// wantError checks that an invocation fails as named.
func wantError(t *testing.T, f *lambdaruntime.Function, payload, name, message string) {
	t.Helper()
	answer, err := f.Invoke(t.Context(), []byte(payload))
	var failed *lambdaruntime.Error
	if !errors.As(err, &failed) {
		t.Fatalf("answered %s, %v", answer, err)
	}
	if failed.ErrorType() != name || !strings.Contains(failed.Message, message) {
		t.Errorf("%v, want %s: %s", failed, name, message)
	}
}

func TestFunction_AnswersInOneProcessOneAfterTheOther(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	f := start(t, lambdaruntime.Config{Timeout: 20 * time.Second})
	first := invoke(t, f, `{"step":"Look"}`)
	if strings.Contains(first, "somebody") {
		t.Errorf("the environment of the test reached the function: %s", first)
	}
	for range 20 {
		invoke(t, f, `{"step":"Look"}`)
	}
	if f.Processes() != 1 {
		t.Errorf("%d processes", f.Processes())
	}
}

func TestFunction_StartsMoreProcessesWhileAllAreBusy(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	payload := fmt.Sprintf(`{"step":"Meet","dir":%q}`, t.TempDir())
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := f.Invoke(t.Context(), []byte(payload)); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if f.Processes() != 2 {
		t.Errorf("%d processes", f.Processes())
	}
}

func TestFunction_NamesErrorsByTheirCode(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	wantError(t, f, `{"step":"Fail"}`, "Unsafe", "launch: orders-3 would be lost")
	wantError(t, f, `{"step":"Panic"}`, "Internal", "step Panic panicked: no such thing")
	wantError(t, f, `{"step":"Sing"}`, "Invalid", `there is no step "Sing" here`)
	wantError(t, f, `{`, "Invalid", "decode payload")
	if f.Processes() != 1 {
		t.Errorf("an error has cost a process; there are %d", f.Processes())
	}
	f.Stop() // what it has printed may come after its answers
	for _, message := range []string{"orders-3 would be lost", "panicked: no such thing", "there is no step"} {
		if n := strings.Count(f.Logs(), message); n != 1 {
			t.Errorf("%q is logged %d times", message, n)
		}
	}
}

func TestFunction_ThatExitsIsStartedAgain(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	wantError(t, f, `{"step":"Exit"}`, "Runtime.ExitError", "exit status 3")
	if f.Processes() != 0 {
		t.Errorf("%d processes", f.Processes())
	}
	invoke(t, f, `{"step":"Look"}`)
}

func TestFunction_MissesNoProcessThatWasKilledWhileItWasIdle(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	var first output
	if err := json.Unmarshal([]byte(invoke(t, f, `{"step":"Look"}`)), &first); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitForProcesses(t, f, 0)
	invoke(t, f, `{"step":"Look"}`)
	if f.Processes() != 1 {
		t.Errorf("%d processes", f.Processes())
	}
}

func TestFunction_HasTimeLeftToSayWhatItWaitedFor(t *testing.T) {
	f := start(t, lambdaruntime.Config{Timeout: 2 * time.Second})
	wantError(t, f, `{"step":"Hang"}`, "Unavailable", "ask EC2: context deadline exceeded")
}

func TestFunction_ThatHangsIsCutOff(t *testing.T) {
	f := start(t, lambdaruntime.Config{Timeout: time.Second})
	wantError(t, f, `{"step":"HangForGood"}`, "Sandbox.Timedout", "Task timed out after 1.00 seconds")
	if f.Processes() != 0 {
		t.Errorf("%d processes", f.Processes())
	}
}

func TestFunction_SaysWhyItCannotStart(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	f2 := lambdaruntime.Start(t, lambdaruntime.Config{Binary: os.Args[0], Environment: []string{asFunction + "=misconfigured"}})
	wantError(t, f2, `{"step":"Look"}`, "Invalid", "MILLRACE_TABLE is not set")
	invoke(t, f, `{"step":"Look"}`)
	none := lambdaruntime.Start(t, lambdaruntime.Config{Binary: filepath.Join(t.TempDir(), "bootstrap")})
	wantError(t, none, `{}`, "Runtime.InvalidEntrypoint", "no such file")
}

func TestFunction_LogsJSONWithTheRequestAndTheTrace(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	const header = "Root=1-68ce9d40-4f2a8c1d6b7e9f0a1b2c3d4e;Parent=53995c3f42cd8ad8;Sampled=1"
	answer, err := f.Invoke(lambdaruntime.WithTrace(t.Context(), header), []byte(`{"step":"Look"}`))
	if err != nil || !strings.Contains(string(answer), header) {
		t.Fatalf("%s, %v", answer, err)
	}
	f.Stop() // what it has printed may come after its answer
	for _, want := range []string{
		`"message":"looked"`, `"level":"INFO"`, `"requestId":"`, `"traceId":"1-68ce9d40-4f2a8c1d6b7e9f0a1b2c3d4e"`,
	} {
		if !strings.Contains(f.Logs(), want) {
			t.Errorf("%s is not in %s", want, f.Logs())
		}
	}
}

func TestStop_EndsEveryProcessAndWhatItIsAt(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	failed := make(chan error)
	go func() {
		_, err := f.Invoke(t.Context(), []byte(fmt.Sprintf(`{"step":"Meet","dir":%q}`, t.TempDir())))
		failed <- err
	}()
	waitForProcesses(t, f, 1)
	f.Stop()
	if err := <-failed; !errors.Is(err, lambdaruntime.ErrStopped) {
		t.Errorf("%v", err)
	}
	if _, err := f.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, lambdaruntime.ErrStopped) {
		t.Errorf("%v", err)
	}
}

func TestInvoke_EndsWithItsContextAndTheInvocationGoesOn(t *testing.T) {
	f := start(t, lambdaruntime.Config{})
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	payload := fmt.Sprintf(`{"step":"Meet","dir":%q}`, dir)
	if _, err := f.Invoke(ctx, []byte(payload)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	invoke(t, f, payload) // meets the one that nobody waits for
}
