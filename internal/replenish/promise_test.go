package replenish_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/drs"
)

// throttled is a DRS in trouble for as long as on is set.
func (w *world) throttled() (end func()) {
	good := w.DRS
	w.DRS = &faultyDRS{DRS: good, order: func(context.Context, string) (*drs.ReplenishResult, error) {
		return nil, &drs.Error{StatusCode: 429}
	}}
	return func() { w.DRS = good }
}

// After the queue has given a job up, a device that asks again is promised what is so: it
// is queued anew.
func TestPromiseAfterTheDeadLetter(t *testing.T) {
	bubble(t, func(w *world) {
		end := w.throttled()
		for i, tt := range []struct {
			after time.Duration
			jobs  int
		}{{0, 1}, {10 * time.Minute, 1}, {20 * time.Minute, 2}, {time.Minute, 2}} {
			time.Sleep(tt.after)
			if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 {
				t.Fatalf("request %d: status = %d, want 202", i, status)
			}
			if got := len(w.retry.all()); got != tt.jobs {
				t.Errorf("request %d: %d jobs, want %d", i, got, tt.jobs)
			}
		}
		// As long as the queue tries, it is there.
		for range 5 {
			time.Sleep(15 * time.Minute)
			if w.queue(body(w.retry.all()[1])) == nil {
				t.Fatal("done, with DRS in trouble")
			}
		}
		time.Sleep(15 * time.Minute)
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 || len(w.retry.all()) != 2 {
			t.Errorf("status = %d, %d jobs; want 202 and no more jobs", status, len(w.retry.all()))
		}
		end()
		if w.queue(body(w.retry.all()[1])) != nil {
			t.Error("the job must come again")
		}
		want(t, w.last(), message.Ordered, "STANDARD_ORDER_PLACED")
	})
}

// The try before the dead letters leaves no promise behind: whoever asks then, asks anew.
func TestPromiseRightAfterTheDeadLetter(t *testing.T) {
	bubble(t, func(w *world) {
		end := w.throttled()
		w.post(`{"slot":"filter","id":"1"}`)
		for n := 1; n <= backoff.Tries; n++ {
			time.Sleep(backoff.Gap(n))
			if again := w.receive(n, body(w.retry.all()[0])); again == nil {
				t.Fatal("done, with DRS in trouble")
			}
			if n == backoff.Tries-1 {
				w.post(`{"slot":"filter","id":"1"}`)
			}
			if got := len(w.retry.all()); got != 1 {
				t.Fatalf("after try %d: %d jobs, want 1", n, got)
			}
		}
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 || len(w.retry.all()) != 2 {
			t.Errorf("status = %d, %d jobs; want 202 and a new job", status, len(w.retry.all()))
		}
		end()
		if w.queue(body(w.retry.all()[1])) != nil || w.queue(body(w.retry.all()[0])) != nil {
			t.Error("a job must come again")
		}
		w.wantOrders(1)
	})
}

// A press over MQTT that is tried on by Lambda needs no job of ours.
func TestPromiseForAPressOverMQTT(t *testing.T) {
	bubble(t, func(w *world) {
		w.throttled()
		w.putOff("filter", "1")
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 || len(w.retry.all()) != 0 {
			t.Errorf("status = %d, %d jobs; want 202 and none", status, len(w.retry.all()))
		}
	})
}

// However often a device asks while the first one is under way, it is one job.
func TestManyDuplicatesAreOneJob(t *testing.T) {
	bubble(t, func(w *world) {
		w.DRS = &faultyDRS{DRS: w.DRS, order: func(context.Context, string) (*drs.ReplenishResult, error) {
			time.Sleep(9 * time.Second)
			return nil, &drs.Error{StatusCode: 429}
		}}
		var all sync.WaitGroup
		all.Go(func() { w.post(`{"slot":"filter","id":"1"}`) })
		time.Sleep(time.Second)
		for range 20 {
			all.Go(func() {
				if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 {
					t.Errorf("status = %d, want 202", status)
				}
			})
		}
		all.Wait()
		if got := len(w.retry.all()); got != 1 {
			t.Errorf("%d jobs, want 1", got)
		}
		// The note on its record has not cost the first one its result.
		if m := w.message("1"); m.State != store.Retrying || m.Unknown || m.Attempts != 1 {
			t.Errorf("stored message = %+v, want the first one's result", m)
		}
	})
}

// What could not be queued for another's claim is no promise, and leaves none behind.
func TestDuplicateWithQueueDown(t *testing.T) {
	bubble(t, func(w *world) {
		w.slow(20 * time.Second)
		var first sync.WaitGroup
		first.Go(func() { _ = w.Rule(w.Context(), pressed("filter", "1")) })
		time.Sleep(time.Second)
		w.retry.err = errors.New("queue is away")
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 503 {
			t.Errorf("status = %d, want 503", status)
		}
		w.retry.err = nil
		if status, _ := w.post(`{"slot":"filter","id":"1"}`); status != 202 || len(w.retry.all()) != 1 {
			t.Errorf("status = %d, %d jobs; want 202 and one", status, len(w.retry.all()))
		}
		first.Wait()
	})
}
