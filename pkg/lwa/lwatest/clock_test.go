package lwatest_test

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, stopped, from := new(lwatest.Clock), lwatest.NewStoppedClock(noon), lwatest.NewClock(noon)
		if !lwatest.NewClock(time.Time{}).Now().Equal(time.Now()) {
			t.Error("a clock from the zero time doesn't have the real time")
		}
		start := time.Now()
		time.Sleep(time.Minute) // of the bubble
		for _, c := range []*lwatest.Clock{running, stopped, from} {
			c.Advance(2 * time.Hour)
			c.Advance(-time.Hour)
		}
		for name, tt := range map[string]struct {
			c    *lwatest.Clock
			want time.Time
		}{
			"running": {running, start.Add(time.Minute + time.Hour)},
			"stopped": {stopped, noon.Add(time.Hour)},
			"from":    {from, noon.Add(time.Minute + time.Hour)},
		} {
			if got := tt.c.Now(); !got.Equal(tt.want) || got.Location() != time.UTC {
				t.Errorf("%s: Now() = %v, want %v in UTC", name, got, tt.want)
			}
		}
		if got := running.Offset(); got != time.Hour {
			t.Errorf("Offset() = %v, want 1h", got)
		}
	})
}

func TestClockIsBounded(t *testing.T) {
	for _, d := range []time.Duration{math.MaxInt64, math.MinInt64} {
		c := lwatest.NewStoppedClock(noon)
		for range 3 {
			c.Advance(d)
		}
		if y := c.Now().Year(); y < 1926 || y > 2126 {
			t.Errorf("after three times %v it is the year %d", d, y)
		}
	}
}

func TestClockIsShared(t *testing.T) {
	c := lwatest.NewStoppedClock(noon)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Advance(time.Second)
				_ = c.Now()
			}
		})
	}
	wg.Wait()
	if got := c.Offset(); got != 800*time.Second {
		t.Errorf("Offset() = %v, want every one of 800 seconds", got)
	}
}
