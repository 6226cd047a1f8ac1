package watch

import "sync"

// Either signals when one of two things does that can be watched, until it is stopped, which may be done twice. A signal that
// nobody has taken yet is not added to.
func Either(one, other func() (changed <-chan struct{}, stop func())) (signals <-chan struct{}, stop func()) {
	a, stopOne := one()
	b, stopOther := other()
	signal, stopped := make(chan struct{}, 1), make(chan struct{})
	go func() {
		for {
			select {
			case <-a:
			case <-b:
			case <-stopped:
				return
			}
			select {
			case signal <- struct{}{}:
			default:
			}
		}
	}()
	return signal, sync.OnceFunc(func() {
		close(stopped)
		stopOne()
		stopOther()
	})
}
