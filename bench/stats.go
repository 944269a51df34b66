package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is a series of measurements of one thing, in one unit.
type sample []float64

func (s *sample) add(d time.Duration) { *s = append(*s, float64(d)/float64(time.Millisecond)) }

// quantile returns the q-th quantile, 0 to 1, by the nearest rank.
func (s sample) quantile(q float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) median() float64 { return s.quantile(0.5) }

// String gives the median and, in brackets, the 10th and the 90th percentile.
func (s sample) String() string {
	return fmt.Sprintf("%.3g [%.3g–%.3g]", s.median(), s.quantile(0.1), s.quantile(0.9))
}

// row is a line of the report: what was measured, beside what.
type row struct {
	what, unit string
	ours, peer sample
	peerName   string
}

func (r row) String() string {
	ratio := "–" // of nothing
	if peer := r.peer.median(); peer != 0 {
		ratio = fmt.Sprintf("%.2f", r.ours.median()/peer)
	}
	return fmt.Sprintf("| %s | %s | %s | %s: %s | %s |", r.what, r.unit, r.ours, r.peerName, r.peer, ratio)
}
