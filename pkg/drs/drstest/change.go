package drstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// change is what one call changes, before it is saved and applied.
type change struct {
	s             *Server
	at            time.Time
	registrations map[deviceKey]*Registration
	orders        map[string]*Order
	switches      *Switches
	notes         []note
	ended         []Device // that are registered no longer
}

func newChange(s *Server) *change {
	return &change{s: s, at: s.now(), registrations: map[deviceKey]*Registration{}, orders: map[string]*Order{}}
}

// registration returns a registration as it will be, not to be written to; nil: none.
func (c *change) registration(k deviceKey) *Registration {
	if r := c.registrations[k]; r != nil {
		return r
	}
	return c.s.st.registrations[k]
}

// edit returns a registration to be changed; nil: there is none.
func (c *change) edit(k deviceKey) *Registration {
	if r := c.registrations[k]; r != nil {
		return r
	}
	r := c.s.st.registrations[k]
	if r == nil {
		return nil
	}
	r = r.clone()
	c.set(r)
	return r
}

func (c *change) set(r *Registration) { c.registrations[r.key()] = r }

func (c *change) order(id string) *Order {
	if o := c.orders[id]; o != nil {
		return o
	}
	return c.s.st.orders[id]
}

// commit saves a change, if anybody keeps it, and applies it then: an answer that was
// sent is one that will be remembered. s.mu is held.
func (s *Server) commit(c *change) error {
	forget := s.st.forget(len(c.orders), s.options.MaxOrders)
	if s.options.Save != nil {
		records, err := c.records(forget)
		if err == nil && len(records) > 0 {
			err = s.options.Save(records)
		}
		if err != nil {
			return fmt.Errorf("saving the sandbox's state: %w", err)
		}
	}
	if c.switches != nil {
		s.st.switches = *c.switches
		s.st.schedule() // when a test order ends depends on them
	}
	maps.Copy(s.st.registrations, c.registrations)
	for _, id := range slices.Sorted(maps.Keys(c.orders)) {
		s.st.set(c.orders[id])
	}
	for _, id := range forget {
		delete(s.st.orders, id)
	}
	s.st.closed = s.st.closed[len(forget):]
	s.outbox.add(c.notes)
	return nil
}

// records lists what is different from before.
func (c *change) records(forget []string) ([]Record, error) {
	values := map[string]any{}
	if c.switches != nil {
		values[keySwitches] = c.switches
	}
	for k, r := range c.registrations {
		values[r.recordKey()] = r
		if old := c.s.st.registrations[k]; old != nil && same(old, r) {
			delete(values, r.recordKey())
		}
	}
	for id, o := range c.orders {
		values[keyOrder+id] = o
	}
	for _, id := range forget {
		values[keyOrder+id] = nil
	}
	return encode(values)
}

func same(a, b *Registration) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
