package refresh_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/store"
)

func TestScheduleTakesItsEventOnly(t *testing.T) {
	f := newFleet(1, time.Now().Add(-time.Minute))
	for _, raw := range []string{
		"", "{}", "null", "[]", `"refresh"`, `{"task":"sweep"}`, `{"task":"refresh","shard":"1"}`, `{"Task":"refresh"}`,
		`{"task":"refresh"}{}`, `{"task":"refresh"`, `{"task":"refresh","task":"refresh"}`, `{"task":1}`,
		`{"task":"refresh"` + strings.Repeat(" ", 2000) + `}`,
	} {
		_, err := f.handler().Schedule(t.Context(), []byte(raw))
		if err == nil || !strings.Contains(err.Error(), refresh.Task) {
			t.Errorf("Schedule(%.40q) = %v, want an error that says what it should be", raw, err)
		}
	}
	if all, _ := f.calls(); all != 0 {
		t.Errorf("%d devices were refreshed for events that are none", all)
	}
	for _, raw := range []string{refresh.Task, " {\n\t\"task\" : \"refresh\" } "} {
		if _, err := f.handler().Schedule(t.Context(), []byte(raw)); err != nil {
			t.Errorf("Schedule(%q) = %v", raw, err)
		}
	}
}

type outbox struct {
	bodies []string
	err    error
}

func (o *outbox) Send(_ context.Context, bodies []string) error {
	o.bodies = append(o.bodies, bodies...)
	return o.err
}

func TestScheduleFansOutShardsWithWork(t *testing.T) {
	f := newFleet(3, time.Now().Add(-time.Minute))
	var want []string
	for thing := range f.due {
		if body := refresh.ShardBody(store.Shard(thing, shards)); !slices.Contains(want, body) {
			want = append(want, body)
		}
	}
	out := &outbox{}
	h := f.handler()
	h.Fanout = out
	sum, err := h.Schedule(t.Context(), []byte(refresh.Task))
	slices.Sort(want)
	if err != nil || !slices.Equal(out.bodies, want) || sum.Sent != len(want) {
		t.Errorf("sent %q, %+v, %v; want %q", out.bodies, sum, err, want)
	}
	if all, _ := f.calls(); all != 0 {
		t.Errorf("%d devices were refreshed by the schedule, want none", all)
	}

	out.err = errors.New("queue is away")
	if _, err := h.Schedule(t.Context(), []byte(refresh.Task)); !errors.Is(err, out.err) {
		t.Errorf("error = %v, want the queue's", err)
	}
	f.down = errors.New("table is away")
	if _, err := h.Schedule(t.Context(), []byte(refresh.Task)); !errors.Is(err, f.down) {
		t.Errorf("error = %v, want the store's", err)
	}
	out.bodies, f.down, f.due = nil, nil, nil
	if _, err := h.Schedule(t.Context(), []byte(refresh.Task)); err != nil || out.bodies != nil {
		t.Errorf("with nothing due: sent %q, %v, want nothing", out.bodies, err)
	}
}

// batch makes an event of bodies, with the index as message ID.
func batch(bodies ...string) events.SQSEvent {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: string(rune('a' + i)), Body: body})
	}
	return e
}

// failures are the message IDs that come again.
func failures(r events.SQSEventResponse) string {
	var ids string
	for _, f := range r.BatchItemFailures {
		ids += f.ItemIdentifier
	}
	return ids
}

func TestQueue(t *testing.T) {
	f := newFleet(100, time.Now().Add(-time.Minute))
	h, c := f.handler(), &counter{}
	h.Metrics = c
	got, err := h.Queue(t.Context(), batch(
		`{"shard":"3"}`, `{"shard":"4"}`, ` { "shard" : "0" }`, `{"shard":3}`, "", `{"shard":"00"}`, `{"shard":"-1"}`,
		`{"shard":"3"}`, `{"shard":"1"}`+strings.Repeat(" ", 2000), `{"task":"refresh"}`,
	))
	if err != nil || failures(got) != "bdefgij" {
		t.Errorf("Queue() = failed %q, %v, want bdefgij", failures(got), err)
	}
	for thing := range f.due {
		if shard := store.Shard(thing, shards); shard == "0" || shard == "3" {
			t.Errorf("%s of shard %s was not refreshed", thing, shard)
		}
	}
	for thing := range f.asked {
		if shard := store.Shard(thing, shards); shard == "1" || shard == "2" {
			t.Errorf("%s of shard %s was refreshed, nobody asked for it", thing, shard)
		}
	}
	if f.queries != 2 {
		t.Errorf("%d queries for two shards, one of them named twice", f.queries)
	}
	if c.n["RefreshBadMessage"] != 7 {
		t.Errorf("%v bad messages counted, want 7", c.n["RefreshBadMessage"])
	}
	if text, err := json.Marshal(got); err != nil || !strings.HasPrefix(string(text), `{"batchItemFailures":[{`) {
		t.Errorf("response = %s, %v", text, err)
	}
}

func TestQueueReturnsWhatItCouldNotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A device that fails has its own next attempt; a shard that can't be read has not.
		f := newFleet(100, time.Now().Add(-time.Minute))
		f.fail = func(string) error { return errors.New("no") }
		got, _ := f.handler().Queue(t.Context(), batch(`{"shard":"0"}`))
		if failures(got) != "" {
			t.Errorf("failed %q because of devices, want none", failures(got))
		}
		f.down = errors.New("table is away")
		got, _ = f.handler().Queue(t.Context(), batch(`{"shard":"0"}`, `{"shard":"1"}`))
		if failures(got) != "ab" {
			t.Errorf("failed %q without a table, want ab", failures(got))
		}

		f = newFleet(1000, time.Now().Add(-time.Minute))
		f.took = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got, _ = f.handler().Queue(ctx, batch(`{"shard":"0"}`, `{"shard":"1"}`))
		if failures(got) != "b" {
			t.Errorf("failed %q without time for b, want b", failures(got))
		}
	})
}

func FuzzSchedule(f *testing.F) {
	for _, raw := range []string{refresh.Task, ` { "task" : "refresh" }`, `{"task":"sweep"}`, `{"Task":"refresh"}`, "{}", "null", "\xff"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fl := newFleet(1, time.Now().Add(-time.Minute))
		_, err := fl.handler().Schedule(t.Context(), raw)
		var plain map[string]string
		ours := json.Unmarshal(raw, &plain) == nil && len(plain) == 1 && plain["task"] == "refresh"
		all, _ := fl.calls()
		if err == nil && (!ours || all != 1) || err != nil && all != 0 {
			t.Errorf("Schedule(%q) = %v with %d devices refreshed", raw, err, all)
		}
	})
}

func FuzzQueue(f *testing.F) {
	for _, body := range []string{`{"shard":"0"}`, `{"shard":"3"}`, ` {"shard": "1"}`, `{"shard":"4"}`, "", "\xff", `{"shard":0}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		logged.Reset()
		fl := newFleet(20, time.Now().Add(-time.Minute))
		got, err := fl.handler().Queue(t.Context(), batch(body, `{"shard":"2"}`))
		if err != nil || failures(got) != "" && failures(got) != "a" {
			t.Errorf("Queue(%q) = %+v, %v", body, got, err)
		}
		var plain map[string]string
		taken := json.Unmarshal([]byte(body), &plain) == nil && len(plain) == 1 && len(plain["shard"]) == 1 && strings.Contains("0123", plain["shard"])
		if failures(got) == "" && !taken {
			t.Errorf("Queue(%q) was taken", body)
		}
	})
}
