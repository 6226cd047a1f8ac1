// Package watch wakes whoever waits for something that tells nobody of its changes: processes, EC2, DynamoDB. It does not
// know what is waited for, and tells of no change: whoever is woken looks.
package watch

import (
	"sync"
	"time"
)

// Every signals at every interval until it is stopped, which may be done twice. A signal that nobody has taken yet is not
// added to.
func Every(interval time.Duration) (signals <-chan struct{}, stop func()) {
	signal, stopped := make(chan struct{}, 1), make(chan struct{})
	ticker := time.NewTicker(interval)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
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
