package eventtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"time"
)

// window is how long after the time of its event a function may come to look at its
// clock, where that is a real one: it has to be started first.
const window = 3 * time.Minute

const epochRange = 30 * 24 * time.Hour // numbers this far from Now are times

var (
	// moments are RFC 3339 in UTC, and milliseconds since 1970.
	moments = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\b\d{13}\b`)
	packed  = regexp.MustCompile(`[A-Za-z0-9+/]{16,}={0,2}`) // may be base64
)

// move moves all times in a text by d, also those inside base64.
func move(text []byte, d time.Duration) []byte {
	if d == 0 {
		return text
	}
	text = moments.ReplaceAllFunc(text, func(at []byte) []byte { return moveOne(at, d) })
	return packed.ReplaceAllFunc(text, func(box []byte) []byte {
		inside, err := base64.StdEncoding.DecodeString(string(box))
		if err != nil {
			return box
		}
		moved := moments.ReplaceAllFunc(inside, func(at []byte) []byte { return moveOne(at, d) })
		if bytes.Equal(moved, inside) {
			return box
		}
		return []byte(base64.StdEncoding.EncodeToString(moved))
	})
}

func moveOne(text []byte, d time.Duration) []byte {
	if ms, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		at := time.UnixMilli(ms)
		if at.Sub(Now).Abs() > epochRange && at.Add(d).Sub(Now).Abs() > epochRange {
			return text
		}
		return strconv.AppendInt(nil, at.Add(d).UnixMilli(), 10)
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return text // such as the 99th of a month
	}
	layout := "2006-01-02T15:04:05Z"
	if dot := bytes.IndexByte(text, '.'); dot >= 0 {
		layout = "2006-01-02T15:04:05." + string(bytes.Repeat([]byte("0"), len(text)-dot-2)) + "Z"
	}
	return at.Add(d).AppendFormat(nil, layout)
}

// moved returns the outcome with all times moved.
func (o *Outcome) moved(d time.Duration) *Outcome {
	m := *o
	m.Answer = move(o.Answer, d)
	m.Published, m.Queued = movedJSON(o.Published, d), movedJSON(o.Queued, d)
	m.Sent, m.Bus = movedJSON(o.Sent, d), movedJSON(o.Bus, d)
	m.State = func(key string) (any, error) {
		v, err := o.State(key)
		return movedJSON(v, d), err
	}
	return &m
}

// movedJSON moves the times in what comes out of JSON.
func movedJSON[V any](v V, d time.Duration) V {
	var moved V
	if err := json.Unmarshal(move(mustJSON(v), d), &moved); err != nil {
		panic(err)
	}
	return moved
}
