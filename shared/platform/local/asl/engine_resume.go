package asl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// load takes one execution out of the journal.
func (e *Engine) load(arn string, text []byte) error {
	var p position
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("%s: %w", arn, err)
	}
	x := e.newExecution(p.Execution)
	close(x.saved)
	x.root, x.tickets, x.recorded, x.left = p.Root, p.Tickets, p.Events, p.Left
	e.executions[arn] = x
	if x.ended() {
		e.ended = append(e.ended, arn)
	}
	return nil
}

// Resume lets every execution that was running go on from its journalled position. A task that was in flight is invoked
// again, with its full time: time in which nobody was at work does not count.
func (e *Engine) Resume(ctx context.Context) error {
	for _, x := range e.all() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if x.machine != nil || x.ended() {
			continue // started since, or nothing to go on with
		}
		if err := e.revive(x); err != nil {
			return fmt.Errorf("resume %s: %w", x.info.ARN, err)
		}
		e.background(x.resume)
	}
	return nil
}

// revive loads the definition that the execution began with, and finds every frame's place in it.
func (e *Engine) revive(x *execution) error {
	events, err := e.History(x.info.ARN)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New("its history is empty")
	}
	if x.machine, err = Load(x.info.Machine, events[0].Definition); err != nil {
		return err
	}
	if x.input, err = decode(x.info.Input); err != nil {
		return err
	}
	x.root.restore(nil, x.machine.sequence)
	return nil
}
