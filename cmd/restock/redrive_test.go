package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
)

// redriven is what restock redrive --json prints.
type redriven struct {
	Queues []struct {
		Queue   string
		Count   int
		Letters []struct {
			What, Thing, Reason, Fate string
			Malformed                 bool
		}
	}
	Done []struct {
		Queue   string
		PutBack int `json:"put_back"`
		Left    int
	}
	DryRun bool `json:"dry_run"`
}

func runRedrive(t *testing.T, args ...string) redriven {
	t.Helper()
	r := restock(t, nil, append([]string{"redrive", "--json"}, args...)...)
	var got redriven
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 {
		t.Fatalf("redrive %v: code %d, %q, %q", args, r.code, r.out, r.err)
	}
	return got
}

// giveUp leaves jobs among the dead letters of a data file that no process has open.
func giveUp(t *testing.T, data string, jobs ...local.Job) {
	t.Helper()
	db, err := bbolt.Open(data, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	now := time.Now()
	clock := func() time.Time { now = now.Add(time.Hour); return now } // so that nothing waits
	fail := func(context.Context, local.Job) error { return errors.New("Amazon was away") }
	for _, j := range jobs {
		q, err := local.OpenQueue(db, clock, map[string]local.Handler{j.Kind: fail})
		if err != nil {
			t.Fatal(err)
		}
		before := q.DeadCount()
		ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
		if err := q.Put(ctx, j); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() { q.Run(ctx); close(stopped) }()
		for q.DeadCount() == before && ctx.Err() == nil {
			q.Wake()
		}
		cancel()
		<-stopped
		q.Close()
	}
}

// pressJob is a press of a device, received some time ago.
func pressJob(t *testing.T, thing, slot string, age time.Duration) local.Job {
	t.Helper()
	body, err := json.Marshal(message.RuleEvent{
		Data: []byte(`{"slot":"` + slot + `"}`), Thing: thing, Action: message.ActionReplenish, ClientID: thing,
		TraceID: "trace-" + slot, ReceivedAt: time.Now().Add(-age).UnixMilli(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return local.Job{Kind: "rule", Body: body}
}

func TestRedriveLocal(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	const thing = "ACME-VAC-1::SN0001"
	u.pair(t, "ACME-VAC-1", "SN0001")
	u.stop(t, syscall.SIGTERM)
	giveUp(t, u.data, pressJob(t, thing, "filter", time.Hour), pressJob(t, thing, "main-brush", 25*time.Hour),
		local.Job{Kind: "notification", Body: []byte("{}")})
	u = startUp(t, u.data)
	data := []string{"--data", u.data}

	seen := runRedrive(t, append(data, "--dry-run")...)
	if len(seen.Queues) != 3 || seen.Queues[0].Count != 2 || seen.Queues[1].Count != 0 || seen.Queues[2].Count != 1 || len(seen.Done) != 0 || !seen.DryRun {
		t.Errorf("redrive --dry-run: %+v", seen)
	}
	for i, fate := range []string{"again", "too_old"} {
		if l := seen.Queues[0].Letters[i]; l.Fate != fate || l.Thing != thing || l.What != "replenish" || l.Reason != "Amazon was away" {
			t.Errorf("letter %d is %+v, want %s", i, l, fate)
		}
	}
	text := restock(t, nil, append([]string{"redrive", "--dry-run"}, data...)...)
	if text.code != 0 || !strings.Contains(text.out, "2 dead letters") || !strings.Contains(text.out, "1 message is too old") || !strings.Contains(text.out, thing) {
		t.Errorf("redrive --dry-run: %+v", text)
	}
	if !strings.Contains(text.out, "can't be read yet") || !strings.Contains(text.out, "1 notification can't be read by this version") || !seen.Queues[2].Letters[0].Malformed {
		t.Errorf("redrive --dry-run doesn't warn of a notification that will come back: %+v", text)
	}
	if s := restock(t, nil, append([]string{"status"}, data...)...); !strings.Contains(s.out, "3 given up") {
		t.Errorf("status: %s", s.out)
	}

	done := runRedrive(t, append(data, "--queue", "retry", "--max", "1", "--yes")...)
	if len(done.Done) != 1 || done.Done[0].PutBack != 1 || done.Queues[0].Count != 2 {
		t.Errorf("redrive --max 1: %+v", done)
	}
	// The old press is handled when its device hears of it. Before that, whoever asks with its
	// ID presses for the first time.
	device, err := newDemoDevice(t.Context(), u.broker(t), thing, "")
	if err != nil {
		t.Fatal(err)
	}
	done = runRedrive(t, append(data, "--yes")...)
	if len(done.Done) != 2 || done.Done[0].PutBack != 1 || done.Done[1].PutBack != 1 {
		t.Errorf("redrive: %+v", done)
	}

	// The young press has ordered, the old one has not.
	box := &control{newAPI(u.Addresses.Sandbox)}
	err = until(t.Context(), "the order", func() (bool, error) {
		orders, err := box.orders(t.Context(), "SN0001", "filter")
		return len(orders) == 1, err
	})
	if err != nil {
		t.Error(err)
	}
	if r, err := device.result(t.Context(), "trace-main-brush"); err != nil || r.Outcome != message.Failed || r.DetailCode != "TOO_OLD" || r.Replayed {
		t.Fatalf("the device of the old press heard %+v, %v", r, err)
	}
	device.close()
	old, r := pressAgain(t, u, thing, "main-brush", "trace-main-brush")
	if old.Outcome != message.Failed || old.DetailCode != "TOO_OLD" || !old.Replayed {
		t.Errorf("the old press: code %d, %+v", r.code, old)
	}
	if orders, err := box.orders(t.Context(), "SN0001", "main-brush"); err != nil || len(orders) != 0 {
		t.Errorf("the old press ordered %v, %v", orders, err)
	}
}

// pressAgain asks for the result of a press by its ID.
func pressAgain(t *testing.T, u *up, thing, slot, id string) (result message.Result, r ran) {
	t.Helper()
	r = restock(t, nil, "press", "--json", "--mqtt", u.Addresses.MQTT, "--thing", thing, "--slot", slot, "--id", id)
	if err := json.Unmarshal([]byte(r.out), &result); err != nil {
		t.Fatalf("press printed %q and said %q", r.out, r.err)
	}
	return result, r
}

func TestRedriveRefuses(t *testing.T) {
	none := []string{"--data", filepath.Join(t.TempDir(), "none.db")}
	restock(t, nil, append([]string{"redrive"}, none...)...).sentence(t, exitUsage, "--dry-run", "--yes")
	restock(t, nil, append([]string{"redrive", "--yes"}, none...)...).sentence(t, exitFailed, "restock up")
	restock(t, nil, "redrive", "--max", "0", "--yes").sentence(t, exitUsage, "--max")
	restock(t, nil, "redrive", "--queue", "all-of-them").sentence(t, exitUsage, "--queue")
	restock(t, nil, "redrive", "--region", "eu-west-1", "--yes").sentence(t, exitUsage, "--stack")
}

// broker is where its broker is, as a URL.
func (u *up) broker(t *testing.T) string {
	t.Helper()
	broker, err := brokerURL("--mqtt", u.Addresses.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	return broker
}
