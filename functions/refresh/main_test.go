package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/eventtest"
)

func TestEvents(t *testing.T) {
	eventtest.Run(t, "refresh", function)
}

func TestMetrics(t *testing.T) {
	eventtest.Metrics(t, "refresh", function,
		eventtest.Spoiled{Event: "refresh-queue-ok", Spoil: eventtest.WrongSecret},
		eventtest.Spoiled{Event: "refresh-queue-ok", Spoil: eventtest.OtherKeys},
		eventtest.Spoiled{Event: "refresh-queue-ok", Spoil: eventtest.Answer("lwa.invalid", 400, `{"error":"brand_new_error"}`)},
	)
}

// Each shard of the index is asked once; nothing is due, so nothing is sent.
func TestStart(t *testing.T) {
	aws := eventtest.NewAWS(t)
	eventtest.Start(t, aws, build, "refresh-ok")
	want := []string{"Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query", "Query"}
	if diff := cmp.Diff(want, aws.Calls()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestRequired(t *testing.T) {
	eventtest.Required(t, build, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REFRESH_QUEUE_URL", "AWS_REGION")
}

func TestPermissions(t *testing.T) {
	eventtest.Permissions(t, "RefreshFunction", parts, function,
		eventtest.Trouble{Event: "refresh-queue-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Conflict, Service: "dynamodb", Skip: 1, Times: 1}}},
		eventtest.Trouble{Event: "refresh-queue-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.DropAfter, API: "PutItem", Times: 1}}},
		eventtest.Trouble{Event: "refresh-queue-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Denied, Service: "secretsmanager"}}},
		eventtest.Trouble{Event: "refresh-queue-revoked", Faults: []awsproxy.Fault{{Kind: awsproxy.Broken, Service: "events", Times: 1}}},
		eventtest.Trouble{Event: "refresh-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Throttled, Service: "sqs", Times: 1}}},
	)
}
