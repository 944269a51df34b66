package eventtest

import (
	"testing"
	"time"
)

// In a world of another time, all times of an event are that much later, wherever they
// stand, and nothing else is touched.
func TestMove(t *testing.T) {
	const ids = `"000000000000","4958877665544","amzn1.account.AEXAMPLEONE","QUNNRS1WQUMtMTo6U04wMDAx"`
	for _, tt := range []struct{ name, text, want string }{
		{"RFC 3339", `"2026-01-08T10:00:00Z"`, `"2026-01-10T10:00:00Z"`},
		{"fraction", `"2026-01-08T09:59:58.740Z"`, `"2026-01-10T09:59:58.740Z"`},
		{"milliseconds", `{"received_at":1767866400000}`, `{"received_at":1768039200000}`},
		{"stringified", `{"body":"{\"received_at\":1767866399900}"}`, `{"body":"{\"received_at\":1768039199900}"}`},
		{"base64", `{"data":"eyJhdCI6IjIwMjYtMDEtMDhUMTA6MDA6MDBaIn0="}`, `{"data":"eyJhdCI6IjIwMjYtMDEtMTBUMTA6MDA6MDBaIn0="}`},
		{"no time", ids, ids},
		{"no date", `"2026-13-08T10:00:00Z"`, `"2026-13-08T10:00:00Z"`},
	} {
		d := 48 * time.Hour
		if got := string(move([]byte(tt.text), d)); got != tt.want {
			t.Errorf("%s: moved = %s, want %s", tt.name, got, tt.want)
		}
		if got := string(move([]byte(tt.want), -d)); got != tt.text {
			t.Errorf("%s: moved back = %s, want %s", tt.name, got, tt.text)
		}
	}
}

func TestWindow(t *testing.T) {
	m := matcher{window: time.Minute}
	for got, fits := range map[string]bool{
		"2026-01-08T10:00:00Z": true, "2026-01-08T10:01:00.000Z": true,
		"2026-01-08T10:01:01Z": false, "2026-01-08T09:59:59.999Z": false, "soon": false,
	} {
		if faults := m.match("at", "2026-01-08T10:00:00Z", got); (len(faults) == 0) != fits {
			t.Errorf("%s: faults = %q, want them: %v", got, faults, !fits)
		}
	}
	for got, fits := range map[string]bool{
		"2026-01-08T10:49:59Z": true, "2026-01-08T10:50:20.227Z": true, "2026-01-08T10:51:00Z": false, "2026-01-08T10:39:59Z": false,
	} {
		if faults := m.match("due_at", "~2026-01-08T10:4.*", got); (len(faults) == 0) != fits {
			t.Errorf("%s: faults = %q, want them: %v", got, faults, !fits)
		}
	}
	if len(matcher{}.match("at", "2026-01-08T10:00:00Z", "2026-01-08T10:00:01Z")) == 0 {
		t.Error("without a window, a later time fits")
	}
}
