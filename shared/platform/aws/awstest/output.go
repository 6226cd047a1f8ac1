package awstest

import "sync"

// output keeps the end of what a server says, for the report of one that does not start.
type output struct {
	mu   sync.Mutex
	text []byte
}

const outputKept = 8 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	o.text = o.text[max(0, len(o.text)-outputKept):]
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
