package replenish_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/placed"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// Whatever is lost or dies on the way, one press leads to one order at most, and one
// that was accepted is never lost.
func TestAtMostOneOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 8).Draw(rt, "steps")
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = play(newWorld(t), steps) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// step is something that happens: messages that are handled at the same time, and then a
// customer who cancels, time that passes, or a delivery.
type step struct {
	Handle  []handling
	Sleep   time.Duration
	Cancel  bool
	Deliver bool
}

// handling is one run of a function.
type handling struct {
	Way string // mqtt, https, pending: whatever must come again
	ID  string
	// Call number Fails fails, and from call number Dies on the process is dead: of
	// these calls Late ones have had their effect before. 0: none.
	Fails, Dies int
	Late        bool
}

func drawStep(t *rapid.T) step {
	return step{
		Handle: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) handling {
			return handling{
				Way:   rapid.SampledFrom([]string{"mqtt", "https", "pending", "pending"}).Draw(t, "way"),
				ID:    rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "id"),
				Fails: rapid.IntRange(0, 8).Draw(t, "fails"),
				Dies:  rapid.IntRange(0, 8).Draw(t, "dies"),
				Late:  rapid.Bool().Draw(t, "late"),
			}
		}), 0, 3).Draw(t, "handle"),
		Sleep: rapid.SampledFrom([]time.Duration{
			0, time.Second, 10 * time.Second, time.Minute, time.Hour, 5 * time.Hour, 20 * time.Hour, // together less than a message is remembered
		}).Draw(t, "sleep"),
		Cancel:  rapid.IntRange(0, 4).Draw(t, "cancel") == 0,
		Deliver: rapid.IntRange(0, 4).Draw(t, "deliver") == 0,
	}
}

// ledger is what the test knows of the presses.
type ledger struct {
	mu       sync.Mutex
	pending  []message.RuleEvent // accepted, and to come again
	accepted map[string]bool     // by ID
	orders   map[string]int      // that a press of this ID made
}

func play(w *world, steps []step) string {
	l := &ledger{accepted: map[string]bool{}, orders: map[string]int{}}
	for _, s := range steps {
		var all sync.WaitGroup
		for _, one := range s.Handle {
			all.Go(func() { l.handle(w, one) })
		}
		all.Wait()
		if s.Cancel {
			cancelAll(w)
		}
		time.Sleep(s.Sleep)
		if s.Deliver {
			deliver(w)
		}
	}
	for range 10 { // nothing goes wrong any more
		time.Sleep(time.Minute)
		l.handle(w, handling{Way: "pending"})
	}
	return l.wrong(w)
}

// placedOrders are those that may still be cancelled.
func placedOrders(w *world) []drstest.Order {
	if err := w.drs.Tick(); err != nil {
		w.Error(err)
	}
	return slices.DeleteFunc(w.drs.Orders(), func(o drstest.Order) bool { return o.State != drstest.Placed })
}

// deliver is the fastest delivery there could be. It frees the slot, and no notification
// has come.
func deliver(w *world) {
	for _, o := range placedOrders(w) {
		if time.Since(o.At) <= 5*time.Hour {
			continue
		}
		if err := errors.Join(w.drs.Ship(o.ID), w.drs.Deliver(o.ID)); err != nil {
			w.Error(err)
		}
	}
}

// cancelAll is the customer who cancels what was ordered, some time after the notification.
func cancelAll(w *world) {
	for _, o := range placedOrders(w) {
		if err := placed.Note(w.Context(), w.store, vac, o.Slot.ID, o.ID, o.At); err != nil {
			w.Error(err)
		}
		if err := w.drs.Cancel(o.ID); err != nil {
			w.Error(err)
		}
	}
}

func (l *ledger) wrong(w *world) string {
	if len(l.pending) > 0 {
		return fmt.Sprintf("%d messages come again for ever", len(l.pending))
	}
	for id, n := range l.orders {
		if n > 1 {
			return fmt.Sprintf("press %s made %d orders", id, n)
		}
	}
	for id := range l.accepted {
		tooOld := l.orders[id] == 0 // it may be: that says that it was not ordered
		m := &store.Message{Thing: vac, ID: id}
		err := w.store.Get(w.Context(), m)
		r := m.Result
		switch {
		case errors.Is(err, store.ErrNotFound): // forgotten after its days
		case err != nil || m.State != store.Done:
			return fmt.Sprintf("press %s was accepted and is lost: %+v, %v", id, m, err)
		case r.Outcome != message.Ordered && r.Outcome != message.InProgress && r.DetailCode != replenish.CodeOutcomeUnknown && (r.DetailCode != replenish.CodeTooOld || !tooOld):
			return fmt.Sprintf("press %s ended as %+v", id, r)
		}
	}
	return ""
}

func (l *ledger) handle(w *world, one handling) {
	switch one.Way {
	case "mqtt":
		l.accept(one.ID)
		l.run(w, one, pressed("filter", one.ID))
	case "https":
		l.post(w, one)
	case "pending":
		l.mu.Lock()
		events := l.pending
		l.pending = nil
		l.mu.Unlock()
		for _, e := range events {
			l.run(w, one, e)
		}
	}
}

func (l *ledger) accept(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted[id] = true
}

// run hands an event to a function of its own; one that fails or dies leaves it pending.
func (l *ledger) run(w *world, one handling, e message.RuleEvent) {
	id := e.TraceID
	if id == "trace-1" {
		id = one.ID
	}
	e.TraceID = id
	p := &proc{w: w, l: l, handling: one, id: id}
	err := p.handler().Rule(w.Context(), e)
	if err == nil && !p.dead {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, e)
}

// post is accepted if the device hears so.
func (l *ledger) post(w *world, one handling) {
	p := &proc{w: w, l: l, handling: one, id: one.ID}
	var m web.Mux
	p.handler().Routes(&m)
	r := httptest.NewRequestWithContext(w.Context(), "POST", "/v1/replenish", strings.NewReader(`{"slot":"filter","id":"`+one.ID+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+w.key)
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, r)
	switch {
	case p.dead: // no answer
	case rec.Code == 202:
		l.accept(one.ID)
	case rec.Code >= 500 && rec.Code != 503, rec.Code >= 400 && rec.Code < 500:
		w.Errorf("answer = %d %s", rec.Code, rec.Body)
	}
}

// proc is the process of one handling: all that it does outside goes through step.
type proc struct {
	w *world
	l *ledger
	handling
	id string

	mu    sync.Mutex
	calls int
	dead  bool
}

var errDead = fmt.Errorf("this process is dead: %w", store.ErrUnavailable)

func (p *proc) handler() *replenish.Handler {
	h := *p.w.Handler
	h.Store, h.Publisher, h.Retry, h.DRS = p, p, p, &procDRS{p.w.DRS, p}
	return &h
}

// step does one call, as far as the process can.
func (p *proc) step(do func() error) error {
	p.mu.Lock()
	p.calls++
	n, dead := p.calls, p.dead
	if n == p.Dies {
		p.dead = true
	}
	fails := n == p.Fails || n == p.Dies
	p.mu.Unlock()
	switch {
	case dead:
		return errDead
	case fails && p.Late:
		return errors.Join(errDead, do())
	case fails:
		return errDead
	}
	return do()
}

func (p *proc) Get(ctx context.Context, rec store.Record) error {
	return p.step(func() error { return p.w.store.Get(ctx, rec) })
}

func (p *proc) Put(ctx context.Context, rec store.Record) error {
	version := rec.Base().Version
	err := p.step(func() error { return p.w.store.Put(ctx, rec) })
	if errors.Is(err, errDead) {
		rec.Base().Version = version
		return errDead // whether it was a conflict is not known either
	}
	return err
}

func (p *proc) Publish(ctx context.Context, thing, event string, payload any) error {
	return p.step(func() error { return p.w.told.Publish(ctx, thing, event, payload) })
}

func (p *proc) Enqueue(_ context.Context, e message.RuleEvent) error {
	return p.step(func() error {
		p.l.mu.Lock()
		defer p.l.mu.Unlock()
		p.l.pending = append(p.l.pending, e)
		return nil
	})
}

type procDRS struct {
	replenish.DRS
	p *proc
}

// Replenish notes whose press made an order.
func (d *procDRS) Replenish(ctx context.Context, token, slot string) (r *drs.ReplenishResult, err error) {
	err = d.p.step(func() error {
		r, err = d.DRS.Replenish(ctx, token, slot)
		if err == nil && r.DetailCode == drs.StandardOrderPlaced {
			d.p.l.mu.Lock()
			d.p.l.orders[d.p.id]++
			d.p.l.mu.Unlock()
		}
		return err
	})
	if errors.Is(err, errDead) {
		return nil, &drs.TransportError{Op: drs.OpReplenish, Err: errors.New("connection reset")}
	}
	return r, err
}
