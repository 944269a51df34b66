package drstest

const defaultMaxOrders = 100_000

// state is everything that outlives a request; guarded by Server.mu. Registrations and
// orders are replaced when they change and never written to.
type state struct {
	switches      Switches
	registrations map[deviceKey]*Registration
	orders        map[string]*Order
	open          map[lock]string // to the order that locks the slot
	closed        []string        // orders that are not open, the first to be forgotten first
	timers        timers
}

func newState() *state {
	return &state{
		registrations: map[deviceKey]*Registration{},
		orders:        map[string]*Order{},
		open:          map[lock]string{},
	}
}

// forget returns the orders that have to go for n more, if limit are kept.
func (st *state) forget(n, limit int) []string {
	over := len(st.orders) + n - limit
	return st.closed[:min(max(over, 0), len(st.closed))]
}

// set replaces an order, and what is known about it elsewhere.
func (st *state) set(o *Order) {
	st.orders[o.ID] = o
	if o.Open() {
		st.open[o.lock()] = o.ID
		st.timers.add(o, st.switches)
		return
	}
	if st.open[o.lock()] == o.ID {
		delete(st.open, o.lock())
	}
	st.closed = append(st.closed, o.ID)
}

// schedule makes the timers anew.
func (st *state) schedule() {
	st.timers = nil
	for _, id := range st.open {
		st.timers.add(st.orders[id], st.switches)
	}
}
