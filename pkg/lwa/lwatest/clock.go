package lwatest

import (
	"sync/atomic"
	"time"
)

// maxOffset keeps a clock within years that RFC 3339 can write.
const maxOffset = 100 * 365 * 24 * time.Hour

// Clock is a clock that can be moved. The zero Clock runs with the real time. All of
// its methods may be called at the same time and take no lock.
type Clock struct {
	stoppedAt time.Time // zero: running
	offset    atomic.Int64
}

// NewClock returns a clock that runs, from start on; the zero time: the real one.
func NewClock(start time.Time) *Clock {
	c := new(Clock)
	if !start.IsZero() {
		c.setOffset(time.Until(start))
	}
	return c
}

// NewStoppedClock returns a clock that stands at a time until it is advanced.
func NewStoppedClock(at time.Time) *Clock { return &Clock{stoppedAt: at.UTC().Round(0)} }

// Now returns the time in UTC. It has no monotonic part: what was asleep with the
// computer has aged.
func (c *Clock) Now() time.Time {
	base := c.stoppedAt
	if base.IsZero() {
		base = time.Now().UTC().Round(0)
	}
	return base.Add(c.Offset())
}

// Advance moves the clock on, or back for a negative d. It stays within 100 years of
// where it was made.
func (c *Clock) Advance(d time.Duration) {
	for {
		old := c.offset.Load()
		if c.offset.CompareAndSwap(old, clamp(old, int64(clampOffset(d)))) {
			return
		}
	}
}

// Offset returns how far the clock has been moved.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

func (c *Clock) setOffset(d time.Duration) { c.offset.Store(int64(clampOffset(d))) }

// clamp adds two offsets of at most maxOffset, which can't overflow: twice that is 200
// years, and a Duration holds 292.
func clamp(a, b int64) int64 { return int64(clampOffset(time.Duration(a + b))) }

func clampOffset(d time.Duration) time.Duration { return min(max(d, -maxOffset), maxOffset) }
