// Package deadletter describes messages that were given up, in the queues of a deployed
// stack (package redrive) and of restock up (package local), as an operator may see them.
package deadletter

import (
	"strings"
	"time"
	"unicode"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs"
)

// The queues that have dead letters.
const (
	Retry   = "retry"   // messages of devices
	Refresh = "refresh" // shards, and runs of the schedule
	Notify  = "notify"  // notifications of DRS
)

// Queues returns the queues that have dead letters.
func Queues() []string { return []string{Retry, Refresh, Notify} }

// Fate is what becomes of a dead letter that is put back.
type Fate string

// The fates.
const (
	Again  Fate = "again"   // it is worked on like a new one
	TooOld Fate = "too_old" // it is refused: nothing is ordered, and the device of a press is told TOO_OLD
	Left   Fate = "left"    // it is not put back, because nobody can read it
)

// Letter is a message that was given up, as an operator may see it: without what it holds.
type Letter struct {
	Queue    string    `json:"queue"`
	ID       string    `json:"id"`
	What     string    `json:"what"` // action of a device, or kind of event
	Thing    string    `json:"thing,omitempty"`
	At       time.Time `json:"at,omitzero"`        // when it came to us; zero where nobody can tell
	Attempts int       `json:"attempts,omitempty"` // where they were counted
	Reason   string    `json:"reason,omitempty"`   // of the last failure, where it was kept
	Fate     Fate      `json:"fate"`
	// Malformed: this version can't read it, and it comes back unless what it is put back to
	// is newer.
	Malformed bool `json:"malformed,omitempty"`
}

// Unreadable is What of a letter that is none of ours.
const Unreadable = "unreadable"

// Box is what lies in the dead letters of one queue.
type Box struct {
	Queue   string   `json:"queue"`
	Count   int      `json:"count"` // roughly, on AWS; at least the letters
	Letters []Letter `json:"letters"`
}

// Done is what became of the dead letters of one queue.
type Done struct {
	Queue   string `json:"queue"`
	PutBack int    `json:"put_back"`
	Left    int    `json:"left"` // nobody can read them
}

// Rule describes a message of a device that was given up.
func Rule(e message.RuleEvent, at, now time.Time) Letter {
	l := Letter{Queue: Retry, What: Clean(e.Action), Thing: Clean(e.Thing), At: at.UTC(), Fate: Again}
	if at.IsZero() || now.Sub(at) >= replenish.MaxAgeOf(e.Action) {
		l.Fate = TooOld
	}
	return l
}

// Notification describes a message of DRS that was given up. One that was malformed then
// may be read by a newer version: it is put back.
func Notification(text []byte) Letter {
	l := Letter{Queue: Notify, What: "notification", Fate: Again}
	n, err := drs.ParseNotification(text)
	if err != nil {
		l.Reason, l.Malformed = Clean(err.Error()), true
		return l
	}
	l.What = Clean(string(n.Type))
	if d, err := thing.New(n.Model, n.Serial); err == nil {
		l.Thing = d.Name()
	}
	return l
}

const maxText = 200 // characters of what others wrote

// Clean bounds text of others, and takes out what would move a terminal's cursor.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText]) + "…"
	}
	return s
}
