package backoff_test

import (
	"math"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
)

func TestGap(t *testing.T) {
	for n, most := range map[int]time.Duration{
		math.MinInt: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 10: 512 * time.Second,
		11: 10 * time.Minute, 60: 10 * time.Minute, math.MaxInt: 10 * time.Minute,
	} {
		seen := map[time.Duration]bool{}
		for range 100 {
			g := backoff.Gap(n)
			seen[g] = true
			if g < most/2 || g > most {
				t.Errorf("Gap(%d) = %v, want half to all of %v", n, g, most)
			}
		}
		if len(seen) < 50 {
			t.Errorf("Gap(%d) has %d values in 100: all would come back together", n, len(seen))
		}
	}
}

func TestTries(t *testing.T) {
	var all time.Duration
	for n := 1; n < backoff.Tries; n++ {
		all += backoff.Gap(n)
	}
	if all < 4*time.Hour || all > 9*time.Hour {
		t.Errorf("a message is tried for %v, want four to nine hours", all)
	}
}
