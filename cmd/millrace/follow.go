package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/cmd/millrace/internal/client"
	"github.com/millrace/millrace/shared/cluster"
)

const (
	// looksEvery is how often somebody who waits for an operation looks at it.
	looksEvery = 500 * time.Millisecond
	// looksInVainFor is how long the control plane may be away meanwhile.
	looksInVainFor = time.Minute
)

// following is what is said to whoever waits for an operation.
type following struct {
	goesOn string // without whoever stops waiting, in a clause
	again  string // a command that shows how far it is
	failed func(op client.Operation) error
}

// follow shows how far an operation is until it has ended, and gives it as it is then. One that failed is an error.
func (a *app) follow(ctx context.Context, plane connection, c client.Cluster, op client.Operation, said following) (client.Operation, error) {
	id, seen := op.ID, time.Now()
	line := progressLine{w: a.err}
	defer line.end()
	ticker := time.NewTicker(looksEvery)
	defer ticker.Stop()
	for {
		line.show(applyingText(op))
		if op.EndedAt != nil {
			line.end()
			if op.State != cluster.Complete {
				return op, said.failed(op)
			}
			return op, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			line.end()
			return op, fmt.Errorf("%s; see how with: %s", said.goesOn, said.again)
		}
		next, err := plane.Operation(ctx, c.ARN, id)
		var refused *client.Error
		switch {
		case err == nil:
			op, seen = next, time.Now()
		case ctx.Err() != nil: // said above
		case errors.As(err, &refused) && !refused.Passes: // because the cluster has been deleted, for instance
			line.end()
			return op, fmt.Errorf("look at how far it is: %w", a.explain(plane, err))
		case time.Since(seen) > looksInVainFor:
			line.end()
			return op, fmt.Errorf("look at how far it is: %w; it goes on; look again with: %s", a.explain(plane, err), said.again)
		}
	}
}

// progressLine tells how far something is: on a terminal in one line, elsewhere in a line for each change.
type progressLine struct {
	w     io.Writer
	shown string
}

func (p *progressLine) show(text string) {
	const backAndClear = "\r\x1b[K"
	if text = oneLine(text); text == p.shown {
		return
	}
	p.shown = text
	if isTerminal(p.w) {
		fmt.Fprint(p.w, backAndClear+text)
		return
	}
	fmt.Fprintln(p.w, text)
}

// end leaves the line as it is.
func (p *progressLine) end() {
	if p.shown != "" && isTerminal(p.w) {
		fmt.Fprintln(p.w)
	}
	p.shown = ""
}
