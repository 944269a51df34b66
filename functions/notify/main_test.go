package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/eventtest"
)

func TestEvents(t *testing.T) {
	eventtest.Run(t, "notify", function)
}

func TestMetrics(t *testing.T) {
	eventtest.Metrics(t, "notify", function)
}

// A notification is looked up, and its device.
func TestStart(t *testing.T) {
	aws := eventtest.NewAWS(t)
	eventtest.Start(t, aws, build, "notify-ok")
	want := []string{"GetItem", "GetItem"}
	if diff := cmp.Diff(want, aws.Calls()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestRequired(t *testing.T) {
	eventtest.Required(t, build, "RESTOCK_TABLE", "AWS_REGION")
}

func TestPermissions(t *testing.T) {
	eventtest.Permissions(t, "NotifyFunction", parts, function,
		eventtest.Trouble{Event: "notify-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Conflict, Service: "dynamodb", Skip: 1, Times: 1}}},
		eventtest.Trouble{Event: "notify-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.DropAfter, API: "PutItem", Times: 1}}},
		eventtest.Trouble{Event: "notify-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Throttled, Service: "iot", Times: 1}}},
	)
}
