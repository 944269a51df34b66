package doctor

import (
	"net/http"
	"sync"
	"time"
)

// Bounds of a clock. AWS refuses signatures that are five minutes off; a Date has whole
// seconds, and an answer takes its time.
const (
	clockWarn = 30 * time.Second
	clockFail = 5 * time.Minute
)

// dates notes how far our clock is from those of servers.
type dates struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	skew *time.Duration // ours less theirs; nil: not told
}

// RoundTrip implements [http.RoundTripper].
func (d *dates) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := d.now()
	res, err := d.next.RoundTrip(r)
	if err != nil {
		return res, err
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		skew := sent.Add(d.now().Sub(sent) / 2).Sub(at)
		d.mu.Lock()
		d.skew = &skew
		d.mu.Unlock()
	}
	return res, nil
}

func (l *LWA) clock(f *Findings, seen *dates) {
	const check, fix = "clock", "Have it set by the network (NTP)."
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.skew == nil {
		f.Warn(check, "", "Compare it with another clock.", "Login with Amazon did not tell the time.")
		return
	}
	off := seen.skew.Abs().Round(time.Second)
	direction := "ahead of"
	if *seen.skew < 0 {
		direction = "behind"
	}
	switch {
	case off >= clockFail:
		f.Fail(check, "clock of this machine", fix, "This machine's clock is %s %s that of Login with Amazon: tokens expire unseen, and AWS refuses what it signs.", off, direction)
	case off >= clockWarn:
		f.Warn(check, "clock of this machine", fix, "This machine's clock is %s %s that of Login with Amazon.", off, direction)
	default:
		f.OK(check, "It agrees with that of Login with Amazon.")
	}
}
