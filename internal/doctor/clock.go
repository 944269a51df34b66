package doctor

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
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

// off returns how far our clock is from those of servers; false: none has told the time.
func (d *dates) off() (time.Duration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.skew == nil {
		return 0, false
	}
	return *d.skew, true
}

func (l *LWA) clock(ctx context.Context, f *Findings, seen *dates) {
	const check, fix = "clock", "Have it set by the network (NTP)."
	skew, told := seen.off()
	if !told {
		f.Warn(check, "", "Compare it with another clock.", "Login with Amazon did not tell the time.")
		return
	}
	other := "that of Login with Amazon"
	if moved := l.moved(ctx, skew); moved != 0 {
		skew += moved
		other = "that of the sandbox, which was moved on by " + moved.String()
	}
	off, direction := skew.Abs().Round(time.Second), "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	switch {
	case off >= clockFail:
		f.Fail(check, "clock of this machine", fix, "This machine's clock is %s %s %s: tokens expire unseen, and AWS refuses what it signs.", off, direction, other)
	case off >= clockWarn:
		f.Warn(check, "clock of this machine", fix, "This machine's clock is %s %s %s.", off, direction, other)
	default:
		f.OK(check, "It agrees with %s.", other)
	}
}

// moved asks how far somebody has moved the clock of a sandbox on purpose; 0 for a clock
// that is right, and for any other server.
func (l *LWA) moved(ctx context.Context, skew time.Duration) time.Duration {
	if l.atAmazon() || skew.Abs() < clockWarn {
		return 0
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(l.Client.Endpoint.APIURL, "/")+"/sandbox/clock", http.NoBody)
	if err != nil {
		return 0
	}
	res, err := l.HTTPClient.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	var clock struct {
		Moved lwatest.Duration `json:"moved"`
	}
	if json.NewDecoder(io.LimitReader(res.Body, maxClock)).Decode(&clock) != nil {
		return 0
	}
	return time.Duration(clock.Moved)
}

// maxClock bounds what is read of a sandbox's clock.
const maxClock = 4 << 10
