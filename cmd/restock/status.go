package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/metrics"
)

type statusCommand struct{ running }

func (c *statusCommand) Run(ctx context.Context, t *terminal) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	s, err := local.AskStatus(ctx, data)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(s)
	}
	line := func(name, value string) { t.printf("%s %s", t.dim(fmt.Sprintf("%-12s", name)), value) }
	line("version", fmt.Sprintf("%s, process %d, up for %s", s.Version, s.PID, time.Since(s.Started).Round(time.Second)))
	line("pages, API", s.Addresses.HTTP)
	line("MQTT", fmt.Sprintf("%s, %d connected", s.Addresses.MQTT, s.Connected))
	line("sandbox", cmp.Or(s.Addresses.Sandbox, "none"))
	line("data", s.Data)
	line("clock", fmt.Sprintf("%s, moved by %s", clock(s.Now), s.Moved))
	line("queue", fmt.Sprintf("%d waiting, %d given up", s.Queue, s.DeadLetters))
	for _, d := range s.Dead {
		line("", fmt.Sprintf("%s of %s, %d attempts: %s", d.Kind, clock(d.Stored), d.Attempts, d.Error))
	}
	for i, m := range s.Counts {
		name := ""
		if i == 0 {
			name = "since start"
		}
		line(name, fmt.Sprintf("%8v  %s", m.Value, countName(m)))
	}
	return nil
}

// counts says what is counted, where the name alone does not.
var counts = map[string]string{
	"GrantEnded":       "grants that have ended",
	"MQTTDropped":      "messages that a device did not read",
	"MQTTRefused":      "refused over MQTT",
	"MessageRefused":   "messages that are not valid",
	"Notification":     "notifications of DRS",
	"NotificationLost": "notifications of DRS that were lost",
	"OutcomeUnknown":   "presses that may have ordered, without an answer",
	"Press":            "presses",
	"PressReplayed":    "presses that got the first result again",
	"QueueMalformed":   "queued messages that can't be read",
	"RefreshEnded":     "grants that a refresh found ended",
	"RefreshFailed":    "refreshes that failed",
	"RefreshLeft":      "refreshes left for the next sweep",
	"RefreshRefreshed": "refreshes",
	"RefreshShards":    "parts of sweeps",
	"Report":           "reports of slots and devices",
	"RetryAgeSeconds":  "seconds that the last press tried again has waited",
	"SecretsTrouble":   "requests held up by our own secrets",
	"SignIn":           "sign-ins of customers",
	"SweepFailed":      "sweeps with a failure",

	"RefreshOldestDueSeconds": "seconds that the oldest refresh is overdue",
}

// countName says in words what a sample counts: "presses (outcome ordered, via mqtt)".
func countName(m metrics.Sample) string {
	name := counts[m.Name]
	if name == "" {
		name = m.Name
	}
	var which []string
	for _, k := range slices.Sorted(maps.Keys(m.Dimensions)) {
		which = append(which, k+" "+m.Dimensions[k])
	}
	if len(which) > 0 {
		name += " (" + strings.Join(which, ", ") + ")"
	}
	return name
}
