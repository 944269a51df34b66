package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/eventtest"
)

func TestEvents(t *testing.T) {
	eventtest.Run(t, "callback", function)
}

func TestMetrics(t *testing.T) {
	eventtest.Metrics(t, "callback", function, eventtest.Spoiled{Event: "callback-ok", Spoil: eventtest.WrongSecret})
}

// A login takes the client ID, a sealed verifier and one write.
func TestStart(t *testing.T) {
	aws := eventtest.NewAWS(t)
	eventtest.Start(t, aws, build, "callback-authorizations-ok")
	want := []string{"GetSecretValue keys", "GetSecretValue lwa", "PutItem"}
	if diff := cmp.Diff(want, aws.Calls()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestRequired(t *testing.T) {
	eventtest.Required(t, build, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REDIRECT_URL", "AWS_REGION")
}

func TestPermissions(t *testing.T) {
	eventtest.Permissions(t, "CallbackFunction", parts, function,
		eventtest.Trouble{Event: "callback-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Conflict, Service: "dynamodb", Skip: 1, Times: 1}}},
		eventtest.Trouble{Event: "callback-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.DropAfter, API: "PutItem", Times: 1}}},
		eventtest.Trouble{Event: "callback-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Throttled, Service: "secretsmanager", Times: 1}}},
		eventtest.Trouble{Event: "callback-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Denied, Service: "iot"}}},
	)
}
