package awstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// moto is a server that runs.
type moto struct {
	endpoint string
	// life is the pipe whose end is the server's. It is kept because a file that nobody refers to is closed.
	life io.Closer
}

// startMoto starts a server on a free port and waits until it answers.
func startMoto() (m moto, err error) {
	program, err := motoServer()
	if err != nil {
		return m, err
	}
	port, err := freePort()
	if err != nil {
		return m, err
	}
	// The pipe ends with this process, however it ends, and the server with it. Linux's signal at the parent's death goes
	// by threads, and Go ends those when it likes. The shell takes its input by another number, because what a shell
	// starts in the background has none.
	guarded := exec.Command("/bin/sh", "-c", //nolint:noctx // it lives as long as this process does
		`exec 3<&0; "$MOTO" -H 127.0.0.1 -p "$PORT" 3<&- & read -r word <&3; kill -9 $!; wait`)
	guarded.Env = append(os.Environ(), "MOTO="+program, "PORT="+port)
	guarded.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C ends it by the end of this process
	if m.life, err = guarded.StdinPipe(); err != nil {
		return m, err
	}
	var said output
	guarded.Stderr = &said
	if err := guarded.Start(); err != nil {
		return m, err
	}
	bare := "http://127.0.0.1:" + port
	if err := waitUntilAnswers(bare); err != nil {
		return m, fmt.Errorf("%w\n%s", err, said.String())
	}
	m.endpoint, err = putFront(bare)
	return m, err
}

// motoServer finds the program: the one that MILLRACE_MOTO names, or that of the checkout.
func motoServer() (string, error) {
	if named := os.Getenv("MILLRACE_MOTO"); named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", fmt.Errorf("run `make setup` first, or have MILLRACE_MOTO name another: %w", err)
		}
		return named, nil
	}
	dir, err := os.Getwd() // a test runs in its package's directory
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory: %w", err)
		}
		dir = filepath.Dir(dir)
	}
	program := filepath.Join(dir, ".venv", "bin", "moto_server")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("run `make setup` first, or set MILLRACE_MOTO: %w", err)
	}
	return program, nil
}

// freePort gives a port of the loopback address that nobody has at the moment.
func freePort() (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func waitUntilAnswers(endpoint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // on a machine that does much else
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/data.json", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("it answers %s", answer.Status)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}
