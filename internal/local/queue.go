package local

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/store"
)

// ErrQueueFull is returned by [Queue.Put] while [MaxQueue] jobs wait.
var ErrQueueFull = fmt.Errorf("%w: too many messages wait to be handled", store.ErrUnavailable)

const (
	// MaxQueue is how many jobs may wait. The body of one comes from 64 KiB at most.
	MaxQueue = 10_000

	deliveries     = 3 // within three seconds: an answer of the sandbox may wait for them
	workers        = 32
	handlerTimeout = 30 * time.Second // that of the function on Lambda
)

// Job is a piece of work that survives the process: what it is, and its input.
type Job struct {
	Kind string
	Body []byte
	// Attempts is how often the job was tried before. It is for its handler; Put ignores it.
	Attempts int
}

// Handler does a job. After an error it gets the job again; [ErrAgain] leaves the cause
// that the job has been given before.
type Handler func(context.Context, Job) error

// ErrAgain says that a job must come again, for a cause that was logged.
var ErrAgain = errors.New("the job must come again, the log says why")

// Queue keeps jobs in the data file until they have been done. It stands in for
// Lambda's asynchronous invocation, its failure queue and that queue's dead letters:
// a job is on disk before [Queue.Put] returns, a handler that returns an error gets it
// again after the gaps of package backoff, for hours, and then it lies among the dead letters.
// A job may be handled twice, as on AWS; the order is not kept.
type Queue struct {
	disk     *disk
	now      func() time.Time
	handlers map[string]Handler

	mu      sync.Mutex
	waiting schedule
	running int
	dead    int
	changed chan struct{} // holds one token when waiting has changed, or the clock has
}

// OpenQueue opens the queue in db, with all jobs that an earlier process left in it.
// handlers has one for each kind; now nil is time.Now. Nothing is handled before Run.
func OpenQueue(db *bbolt.DB, now func() time.Time, handlers map[string]Handler) (*Queue, error) {
	if now == nil {
		now = time.Now
	}
	d, err := openDisk(db)
	if err != nil {
		return nil, fmt.Errorf("opening the queue: %w", err)
	}
	q := &Queue{disk: d, now: now, handlers: handlers, changed: make(chan struct{}, 1)}
	if q.waiting, q.dead, err = d.load(); err != nil {
		d.close()
		return nil, fmt.Errorf("reading the queue: %w", err)
	}
	heap.Init(&q.waiting)
	return q, nil
}

// Put stores a job, to be handled at once. When it returns nil the job is on disk.
func (q *Queue) Put(ctx context.Context, j Job) error { return q.put(ctx, j, 0) }

// PutLater is Put for a job that has just failed elsewhere: it is handled after the
// first gap.
func (q *Queue) PutLater(ctx context.Context, j Job) error { return q.put(ctx, j, backoff.Gap(1)) }

func (q *Queue) put(ctx context.Context, j Job, delay time.Duration) error {
	if _, ok := q.handlers[j.Kind]; !ok {
		return fmt.Errorf("queueing a job of unknown kind %q", j.Kind)
	}
	if q.Depth() >= MaxQueue {
		return ErrQueueFull
	}
	now := q.now()
	e := entry{Kind: j.Kind, Body: j.Body, Stored: now, Due: now.Add(delay)}
	key, err := q.disk.add(ctx, e)
	if err != nil {
		return fmt.Errorf("storing a %s job: %w", j.Kind, err)
	}
	q.push(ticket{key: key, due: e.Due})
	return nil
}

// Deliver is Put for a sender who can't be told to come again. Like SNS it tries for
// a while: deliveries times, with growing gaps.
func (q *Queue) Deliver(ctx context.Context, j Job) (err error) {
	for n := range deliveries {
		if n > 0 {
			if backoff.Sleep(ctx, backoff.Gap(n)) != nil {
				return err
			}
		}
		if err = q.Put(ctx, j); err == nil {
			return nil
		}
	}
	return err
}

// Depth returns how many jobs are waiting or being handled.
func (q *Queue) Depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.running
}

// DeadCount returns how many jobs were given up.
func (q *Queue) DeadCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dead
}

// DeadLetter is a job that was given up, and why.
type DeadLetter struct {
	ID       uint64    `json:"id"`
	Kind     string    `json:"kind"`
	Body     []byte    `json:"-"`
	Stored   time.Time `json:"stored"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
}

// Dead returns up to limit jobs that were given up, the oldest first. With kinds, only
// those of them count.
func (q *Queue) Dead(limit int, kinds ...string) ([]DeadLetter, error) {
	var letters []DeadLetter
	err := q.disk.dead(func(key uint64, e entry) bool {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			letters = append(letters, DeadLetter{key, e.Kind, e.Body, e.Stored, e.Attempts, e.Error})
		}
		return len(letters) < limit
	})
	return letters, err
}

// Revive puts a dead letter back, to be handled at once as if it had never been tried. It
// is not lost, nor there twice, whenever the process ends.
func (q *Queue) Revive(ctx context.Context, id uint64) error {
	if q.Depth() >= MaxQueue {
		return ErrQueueFull
	}
	due := q.now()
	if err := q.disk.revive(ctx, id, due); err != nil {
		return fmt.Errorf("putting dead letter %d back: %w", id, err)
	}
	q.mu.Lock()
	q.dead--
	q.mu.Unlock()
	q.push(ticket{key: id, due: due})
	return nil
}

// Wake makes the queue look at the clock again, after that was moved.
func (q *Queue) Wake() {
	select {
	case q.changed <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run handles jobs until ctx ends, and returns when the last handler has.
func (q *Queue) Run(ctx context.Context) {
	due := make(chan ticket)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for t := range due {
				q.work(ctx, t)
			}
		})
	}
	q.dispatch(ctx, due)
	close(due)
	all.Wait()
}

// Close stops writing. Call it after Run has returned and before the file is closed.
func (q *Queue) Close() { q.disk.close() }

// dispatch hands tickets to the workers when they are due.
func (q *Queue) dispatch(ctx context.Context, due chan<- ticket) {
	for {
		t, wait := q.pop()
		if wait == 0 {
			select {
			case due <- t:
			case <-ctx.Done():
				return
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-q.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// pop returns the next ticket, or how long to wait for it: an hour when there is none,
// since a change ends the wait.
func (q *Queue) pop() (ticket, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return ticket{}, time.Hour
	}
	if wait := q.waiting[0].due.Sub(q.now()); wait > 0 {
		return ticket{}, wait
	}
	q.running++
	t := heap.Pop(&q.waiting).(ticket)
	return t, 0
}

func (q *Queue) push(t ticket) {
	q.mu.Lock()
	heap.Push(&q.waiting, t)
	q.mu.Unlock()
	q.Wake()
}

// work handles one job and settles what becomes of it.
func (q *Queue) work(ctx context.Context, t ticket) {
	defer func() {
		q.mu.Lock()
		q.running--
		q.mu.Unlock()
	}()
	e, err := q.disk.get(t.key)
	if err != nil {
		slog.ErrorContext(ctx, "queued job can't be read now", "error", err)
		q.push(ticket{key: t.key, due: q.now().Add(backoff.Gap(1))})
		return
	}
	err = q.handle(ctx, e)
	if err != nil && ctx.Err() != nil {
		return // we are stopping, which says nothing of the job: it is still on disk
	}
	// What is settled is settled, even while we are stopping.
	if err := q.settle(context.WithoutCancel(ctx), t.key, e, err); err != nil {
		slog.ErrorContext(ctx, "queued job can't be settled and will be handled again", "kind", e.Kind, "error", err)
		q.push(ticket{key: t.key, due: q.now().Add(backoff.Gap(e.Attempts + 1))})
	}
}

func (q *Queue) handle(ctx context.Context, e entry) (err error) {
	defer func() {
		if p := recover(); p != nil { // the value may hold what the job held: it is not logged
			err = errors.New("handler panicked")
		}
	}()
	h, ok := q.handlers[e.Kind]
	if !ok { // written by a newer version: it must not be lost, nor block anything
		return fmt.Errorf("no handler for a %q job", e.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
	defer cancel()
	return h(ctx, Job{Kind: e.Kind, Body: e.Body, Attempts: e.Attempts})
}

// settle removes a job that was done, or puts one that failed back, or away.
func (q *Queue) settle(ctx context.Context, key uint64, e entry, failure error) error {
	if failure == nil {
		return q.disk.remove(ctx, key)
	}
	e.Attempts++
	if !errors.Is(failure, ErrAgain) || e.Error == "" {
		e.Error = fmt.Sprintf("%.500s", failure.Error())
	}
	if e.Attempts >= backoff.Tries {
		if err := q.disk.bury(ctx, key, e); err != nil {
			return err
		}
		slog.ErrorContext(ctx, "job given up, it lies among the dead letters", "kind", e.Kind, "attempts", e.Attempts, "error", failure)
		q.mu.Lock()
		q.dead++
		q.mu.Unlock()
		return nil
	}
	wait := backoff.Gap(e.Attempts)
	e.Due = q.now().Add(wait)
	if err := q.disk.update(ctx, key, e); err != nil {
		return err
	}
	slog.WarnContext(ctx, "job failed, it will be tried again", "kind", e.Kind, "attempt", e.Attempts, "in", wait.Round(time.Millisecond), "error", failure)
	q.push(ticket{key: key, due: e.Due})
	return nil
}

// ticket stands for a job on disk.
type ticket struct {
	key uint64
	due time.Time
}

// schedule is a heap of tickets, the soonest due first.
type schedule []ticket

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(ticket)) }
func (s *schedule) Pop() any {
	last := len(*s) - 1
	t := (*s)[last]
	*s = (*s)[:last]
	return t
}
