package watch

import "sync"

// Either signals when one of two does, until it is stopped, which may be done twice. A signal that nobody has taken yet is not
// added to.
func Either(a, b <-chan struct{}) (signals <-chan struct{}, stop func()) {
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
	return signal, sync.OnceFunc(func() { close(stopped) })
}
