package standin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits on faults.
const (
	maxFaults = 1_000
	maxTimes  = 1_000_000
	maxDelay  = 10 * time.Minute
)

// CheckFault says which field, by its JSON name, holds what it can't, of those that the
// faults of both servers have. The kind is one that the server knows.
func CheckFault[K ~string](kind K, times int, delay time.Duration, retryAfter string) error {
	switch {
	case times < 0 || times > maxTimes:
		return fmt.Errorf("times must be 0 to %d", maxTimes)
	case delay < 0 || delay > maxDelay:
		return fmt.Errorf("delay must be 0s to %s", maxDelay)
	case kind == "slow" && delay == 0:
		return errors.New("delay must be given for slow")
	case retryAfter != "" && kind != "throttled" && kind != "unavailable":
		return errors.New("retry_after goes with throttled and unavailable only")
	case len(retryAfter) > 64 || strings.ContainsFunc(retryAfter, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("retry_after must be at most 64 printable ASCII characters")
	}
	return nil
}

// Faults are those that were scripted and haven't happened yet. All methods may be called
// at the same time.
type Faults[F interface{ Validate() error }] struct {
	// Times is where a fault keeps how often it happens. Required.
	Times func(*F) *int

	mu   sync.Mutex
	list []F
}

// Script queues faults, those that say 0 times for once.
//
// Errors: those of Validate, or over 1000 faults are queued. Then none is added.
func (fs *Faults[F]) Script(scripted []F) error {
	add := slices.Clone(scripted)
	for i := range add {
		if err := add[i].Validate(); err != nil {
			return err
		}
		times := fs.Times(&add[i])
		*times = max(*times, 1)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.list)+len(add) > maxFaults {
		return fmt.Errorf("at most %d faults can wait", maxFaults)
	}
	fs.list = append(fs.list, add...)
	return nil
}

// List returns the faults that are still to come, with their times counted down.
func (fs *Faults[F]) List() []F {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.Clone(fs.list)
}

// Clear drops the faults that are still to come.
func (fs *Faults[F]) Clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = nil
}

// Take counts down the first fault that fits and returns it, the zero F when none does.
func (fs *Faults[F]) Take(fits func(F) bool) F {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := slices.IndexFunc(fs.list, fits)
	if i < 0 {
		var none F
		return none
	}
	f, times := fs.list[i], fs.Times(&fs.list[i])
	if *times--; *times == 0 {
		fs.list = slices.Delete(fs.list, i, i+1)
	}
	return f
}
