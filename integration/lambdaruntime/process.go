package lambdaruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// invocation is one call of a function. Whoever closes ended has written the answer or the error before.
type invocation struct {
	id       string
	payload  []byte
	trace    string
	deadline time.Time

	ended  chan struct{}
	answer []byte
	err    error
}

// process is one execution environment of a function: a process, and the runtime API that is its own, by which it is known.
// A process that outlives this one loses its runtime API and ends by itself.
type process struct {
	arn    string // of the function
	cmd    *exec.Cmd
	server *http.Server
	calls  chan *invocation
	ready  chan struct{} // gets a value for each answer that is followed by the question for more
	exited chan struct{} // closed when the process has ended and was waited for

	mu       sync.Mutex
	current  *invocation
	answered bool
	start    *Error // why it could not start, in its own words
	exit     error
}

func (f *Function) newProcess() (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{
		arn:   "arn:aws:lambda:us-east-1:000000000000:function:" + f.config.Name,
		calls: make(chan *invocation, 1), ready: make(chan struct{}, 1), exited: make(chan struct{}),
	}
	p.server = &http.Server{Handler: p.routes(), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(listener) }() // until it is closed
	p.cmd = exec.Command(f.config.Binary)
	p.cmd.Env = append(f.ownVariables(listener.Addr().String()), f.config.Environment...)
	p.cmd.Stdout, p.cmd.Stderr = &f.output, &f.output
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.server.Close())
	}
	go func() {
		p.exit = p.cmd.Wait()
		_ = p.server.Close() // nobody asks any more
		close(p.exited)
	}()
	return p, nil
}

// ownVariables are what Lambda sets for every function; those of its configuration come later, and win.
func (f *Function) ownVariables(runtimeAPI string) []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.config.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_REGION=us-east-1",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"_HANDLER=bootstrap",
		"TZ=:UTC",
		"PATH=/usr/local/bin:/usr/bin:/bin",
	}
}

// routes are the runtime API; see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
func (p *process) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", p.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
			err = &Error{r.Trailer.Get("Lambda-Runtime-Function-Error-Type"), "the answer broke off"}
		}
		p.settle(w, r.PathValue("id"), body, err)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		p.settle(w, r.PathValue("id"), nil, reported(r.Body))
	})
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.start = reported(r.Body)
		p.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

// reported is an error as a function reports it.
func reported(body io.Reader) *Error {
	var e Error
	if err := json.NewDecoder(body).Decode(&e); err != nil {
		return &Error{"Runtime.UnknownReason", fmt.Sprintf("an error that can't be read: %v", err)}
	}
	return &e
}

// next hands out the next invocation, as soon as there is one.
func (p *process) next(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if p.answered {
		p.answered, p.current = false, nil
		p.ready <- struct{}{}
	}
	p.mu.Unlock()
	select {
	case call := <-p.calls:
		p.mu.Lock()
		p.current = call
		p.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", call.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(call.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", p.arn)
		if call.trace != "" {
			h.Set("Lambda-Runtime-Trace-Id", call.trace)
		}
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(call.payload) // a process that is gone is noticed by its end
	case <-r.Context().Done():
	}
}

// settle keeps what a process says of its invocation.
func (p *process) settle(w http.ResponseWriter, id string, answer []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current.id != id || p.answered {
		http.Error(w, `{"errorType":"InvalidRequestID","errorMessage":"there is no such invocation"}`, http.StatusBadRequest)
		return
	}
	p.current.answer, p.current.err, p.answered = answer, err, true
	w.WriteHeader(http.StatusAccepted)
}

// conclude settles an invocation whose process has ended, unless it had answered before.
func (p *process) conclude(call *invocation, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != call || !p.answered {
		call.err = err
	}
	p.current, p.answered = nil, false
}

// whyItEnded says why a process that has ended answers no more.
func (p *process) whyItEnded(call *invocation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.start != nil {
		return p.start
	}
	how := "exit status 0"
	if p.exit != nil {
		how = p.exit.Error()
	}
	return &Error{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", call.id, how)}
}

// hasEnded tells whether the process is gone.
func (p *process) hasEnded() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// end ends the process for certain and returns when it is gone.
func (p *process) end() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}
