package standin

import (
	"slices"
	"sync"
)

// maxJournal is how many requests a journal remembers.
const maxJournal = 1_000

// Journal is the last 1000 requests, and how many there were of each call. The zero
// Journal is empty; all methods may be called at the same time.
type Journal[Entry any, Call comparable] struct {
	mu      sync.Mutex
	entries []Entry // a ring once it is full
	seq     int64
	calls   map[Call]int
}

// Add writes a request down. entry makes its entry of its number, from 1.
func (j *Journal[Entry, Call]) Add(call Call, entry func(seq int64) Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	if len(j.entries) < maxJournal {
		j.entries = append(j.entries, entry(j.seq))
	} else {
		j.entries[(j.seq-1)%maxJournal] = entry(j.seq)
	}
	if j.calls == nil {
		j.calls = map[Call]int{}
	}
	j.calls[call]++
}

// Entries returns the last 1000 requests, the oldest first.
func (j *Journal[Entry, Call]) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	start := 0
	if len(j.entries) == maxJournal {
		start = int(j.seq % maxJournal)
	}
	return slices.Concat(j.entries[start:], j.entries[:start])
}

// Count returns how many requests there were of the calls that are meant.
func (j *Journal[Entry, Call]) Count(meant func(Call) bool) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for call, count := range j.calls {
		if meant(call) {
			n += count
		}
	}
	return n
}
