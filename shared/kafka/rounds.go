package kafka

import (
	"context"
	"sync"
)

// rounds answer many who ask the same at the same time. Who comes while a request is under way waits for the next one, which all who
// came meanwhile share: no answer is older than its question. The zero value is ready for use.
type rounds[Answer any] struct {
	mu   sync.Mutex
	next *round[Answer]  // the one that has not begun; nil while nobody waits
	last <-chan struct{} // closed once the latest one is over; nil before the first
}

// round is one request, for all who wait for it.
type round[Answer any] struct {
	done   chan struct{}
	answer Answer
	err    error
}

// ask gives the answer to a request that begins after the call. The answer belongs to others as well. The request has to bound its
// own time: it goes on for the others when one who waits for it gives up.
func (r *rounds[Answer]) ask(ctx context.Context, request func(context.Context) (Answer, error)) (Answer, error) {
	r.mu.Lock()
	mine := r.next
	if mine == nil {
		mine = &round[Answer]{done: make(chan struct{})}
		go r.run(context.WithoutCancel(ctx), r.last, mine, request)
		r.next, r.last = mine, mine.done
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.answer, mine.err
	case <-ctx.Done():
		var none Answer
		return none, timedOut(ctx, "nobody answers")
	}
}

func (r *rounds[Answer]) run(ctx context.Context, before <-chan struct{}, mine *round[Answer], request func(context.Context) (Answer, error)) {
	defer close(mine.done)
	if before != nil {
		<-before
	}
	r.mu.Lock()
	r.next = nil // who comes from now on might ask for what this one does not see
	r.mu.Unlock()
	mine.answer, mine.err = request(ctx)
}
