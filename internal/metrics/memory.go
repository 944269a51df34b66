package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxSeries bounds what Memory keeps; what further series say is dropped.
const maxSeries = 1000

// Memory keeps metrics in memory. The zero Memory is ready; it is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	series map[string]*Sample
}

// Sample is what is known under a name and its dimensions: the sum of the counts, or the
// last duration, in seconds.
type Sample struct {
	Name       string            `json:"name"`
	Dimensions map[string]string `json:"dimensions,omitempty"`
	Value      float64           `json:"value"`
}

// Count adds n.
func (m *Memory) Count(name string, n float64, dimensions ...string) {
	m.change(name, n, dimensions, func(s *Sample) { s.Value += n })
}

// Seconds keeps d, and forgets the one before.
func (m *Memory) Seconds(name string, d time.Duration, dimensions ...string) {
	m.change(name, d.Seconds(), dimensions, func(s *Sample) { s.Value = d.Seconds() })
}

// change makes a change to the sample of a name and its dimensions, if n may be its value.
func (m *Memory) change(name string, n float64, dimensions []string, apply func(*Sample)) {
	if !measurable(name, n) {
		return
	}
	good, _ := pairs(dimensions)
	slices.SortStableFunc(good, func(a, b dimension) int { return cmp.Compare(a.key, b.key) })
	key := strconv.Quote(name)
	for _, d := range good {
		key += strconv.Quote(d.key) + strconv.Quote(d.value)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[key]
	if s == nil {
		if len(m.series) == maxSeries {
			return
		}
		s = m.add(key, name, good)
	}
	apply(s)
}

func (m *Memory) add(key, name string, dimensions []dimension) *Sample {
	s := &Sample{Name: name}
	for _, d := range dimensions {
		if s.Dimensions == nil {
			s.Dimensions = map[string]string{}
		}
		s.Dimensions[d.key] = d.value
	}
	if m.series == nil {
		m.series = map[string]*Sample{}
	}
	m.series[key] = s
	return s
}

// Snapshot returns all samples, sorted by name and dimensions.
func (m *Memory) Snapshot() []Sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	samples := make([]Sample, 0, len(m.series))
	for _, key := range slices.Sorted(maps.Keys(m.series)) {
		s := *m.series[key]
		s.Dimensions = maps.Clone(s.Dimensions)
		samples = append(samples, s)
	}
	return samples
}
