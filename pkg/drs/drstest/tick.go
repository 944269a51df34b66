package drstest

import (
	"container/heap"
	"time"
)

// Tick does everything that has fallen due by now, in the order of time and as of its own
// time: orders ship, arrive, or are cancelled because nobody solved their problem. Call it
// after the clock was moved, and now and then; every call to the server does it too.
//
// Errors: that of [Options.Save]. Then nothing has happened, and the next Tick tries again.
func (s *Server) Tick() error {
	return s.update(func(*change) error { return nil })
}

// tick is Tick with s.mu held.
func (s *Server) tick() error {
	now := s.now()
	if s.st.timers.next().After(now) {
		return nil
	}
	c := newChange(s)
	for len(s.st.timers) > 0 && !s.st.timers.next().After(now) {
		t := heap.Pop(&s.st.timers).(timer)
		o := c.order(t.order)
		if o == nil || !o.due(s.st.switches).Equal(t.at) {
			continue // it was moved on meanwhile
		}
		c.step(o, t.at)
		s.st.timers.add(c.order(t.order), s.st.switches)
	}
	err := s.commit(c)
	if err != nil {
		s.st.schedule()
	}
	return err
}

// timer says when to look at an order. It is stale once the order is due at another time.
type timer struct {
	at    time.Time
	order string
}

// timers is a heap, the earliest first.
type timers []timer

// next returns when there is something to do, the end of days for nothing.
func (t timers) next() time.Time {
	if len(t) == 0 {
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	return t[0].at
}

func (t *timers) add(o *Order, sw Switches) {
	if at := o.due(sw); !at.IsZero() {
		heap.Push(t, timer{at, o.ID})
	}
}

// Len, Less, Swap, Push and Pop implement [heap.Interface].
func (t timers) Len() int      { return len(t) }
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t timers) Less(i, j int) bool {
	if t[i].at.Equal(t[j].at) {
		return t[i].order < t[j].order
	}
	return t[i].at.Before(t[j].at)
}
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}
