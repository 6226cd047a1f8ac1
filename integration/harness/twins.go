package harness

import (
	"sync"
	"time"
)

// ForbidTwins watches the machine from now on, until the returned function is called or the test is over: the test fails
// if ever two Kafka processes run for one node.
func (m *Millrace) ForbidTwins() (stop func()) {
	stopping, stopped := make(chan struct{}), make(chan struct{})
	var looks int
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			m.lookForTwins()
			looks++
			select {
			case <-ticker.C:
			case <-stopping:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(stopping)
		<-stopped
		m.t.Logf("looked for twins %d times", looks)
	})
	m.t.Cleanup(stop)
	return stop
}

func (m *Millrace) lookForTwins() {
	of := map[string]Process{}
	for _, p := range m.Processes() {
		if p.Kind != Kafka || p.Node == "" {
			continue
		}
		if twin, found := of[p.Node]; found {
			// Not a twin if the first has ended while the second was looked at.
			if _, alive := m.look(twin.PID); alive {
				m.t.Errorf("two Kafka processes for one node: %s and %s", twin, p)
			}
		}
		of[p.Node] = p
	}
}
