package flight

import "sync"

// count counts what is under way. Unlike those of a sync.WaitGroup, what it counts may
// begin while somebody waits.
type count struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n gets to 0; nil: nobody waits
}

// begin counts one more, until done is called, once.
func (c *count) begin() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.end
}

func (c *count) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
}

// none returns a channel that is closed as soon as nothing is under way.
func (c *count) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if c.idle == nil {
		c.idle = make(chan struct{})
	}
	return c.idle
}
