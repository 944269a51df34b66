//go:build sam

package samtest_test

import (
	"testing"
)

// Whatever goes wrong, no order is made twice, no token is lost, and nothing that was
// accepted vanishes: it has its result, or it is in a queue. And the counts that alarms
// look at move.
func TestFailures(t *testing.T) {
	w := &trouble{world: newWorld(t, "failures")}
	var err error
	if w.server, err = w.StartLambda(t.Context(), freePort(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Stop)
	for _, s := range []struct {
		name  string
		given []string
		alarm string // of template.yaml, that looks at it; "": none, as nothing is wrong
		plays func(w *trouble)
	}{
		{"DRS is down for a while", []string{"paired", "drs-down"}, "RetriesWaitingAlarm", drsDown},
		{"DRS is down for too long", []string{"paired", "drs-down"}, "RetryDlqAlarm", drsDownForLong},
		{"LWA is down for an hour", []string{"due", "lwa-down"}, "OldestDueAlarm", lwaDown},
		{"DynamoDB throttles", []string{"paired"}, "TableThrottlesAlarm", throttled},
		{"a storm of conflicts", []string{"paired"}, "", storm}, // in which each write is made again, until it holds
		{"the result can't be stored", []string{"paired"}, "ReplenishErrorsAlarm", notStored},
		{"devices can't be told", []string{"paired"}, "ReplenishErrorsAlarm", notTold},
		{"Secrets Manager is down at the start", []string{"paired"}, "SecretsUnreadableAlarm", secretsDownCold},
		{"Secrets Manager goes down later", []string{"paired"}, "", secretsDownWarm}, // what is warm does not need it
		{"killed after the order", []string{"paired"}, "ReplenishErrorsAlarm", killedMidOrder},
		{"killed in a refresh", []string{"due"}, "RefreshErrorsAlarm", killedMidRefresh},
		{"the same message again", []string{"paired"}, "", twice}, // as SQS and AWS IoT do every day
		{"the end of an order first", []string{"paired"}, "ReplenishErrorsAlarm", outOfOrder},
		{"a message that nobody can read", []string{"paired"}, "RetryDlqAlarm", poison},
		{"two runs of the schedule at once", []string{"due"}, "", twoRuns}, // as happens whenever one takes long
		{"the client secret is rotated", []string{"stale"}, "CredentialsAlarm", rotated},
		{"the key ring is rotated", []string{"due"}, "", keysRotated}, // as it should be from time to time
		{"notifications fail", []string{"paired"}, "NotifyDlqAlarm", notificationsFail},
	} {
		t.Run(s.name, func(t *testing.T) {
			w.begin(t, s.given...)
			s.plays(w)
			w.wantAlarm(s.alarm)
		})
	}
}
