package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/eventtest"
)

func TestEvents(t *testing.T) {
	eventtest.Run(t, "replenish", function)
}

func TestMetrics(t *testing.T) {
	refused := eventtest.Answer("drs.invalid", 400, `{"message":"no"}`)
	eventtest.Metrics(t, "replenish", function,
		eventtest.Spoiled{Event: "replenish-ok", Spoil: refused},
		eventtest.Spoiled{Event: "replenish-https-ok", Spoil: refused},
		eventtest.Spoiled{Event: "replenish-queue-ok", Spoil: refused},
		eventtest.Spoiled{Event: "replenish-ok", Spoil: eventtest.Answer("drs.invalid", 200, `{"detailCode":"BRAND_NEW","eventInstanceId":"amzn1.x"}`)},
		eventtest.Spoiled{Event: "replenish-stale-token", Spoil: eventtest.WrongSecret},
		eventtest.Spoiled{Event: "replenish-stale-token", Spoil: eventtest.OtherKeys},
		eventtest.Spoiled{Event: "replenish-stale-token", Spoil: eventtest.NoSecrets},
	)
}

// A press costs three round trips, and no secret: claim and registration, then (here
// without DRS, as the device is not registered) result and message.
func TestStart(t *testing.T) {
	aws := eventtest.NewAWS(t)
	eventtest.Start(t, aws, build, "replenish-ok")
	want := []string{"GetItem", "Publish dash/v1/down/ACME-VAC-1::SN0001/result", "PutItem", "PutItem"}
	if diff := cmp.Diff(want, aws.Calls()); diff != "" {
		t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func TestRequired(t *testing.T) {
	eventtest.Required(t, build, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REDIRECT_URL", "RESTOCK_RETRY_QUEUE_URL", "AWS_REGION")
}

func TestPermissions(t *testing.T) {
	eventtest.Permissions(t, "ReplenishFunction", parts, function,
		eventtest.Trouble{Event: "replenish-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Conflict, Service: "dynamodb", Skip: 1, Times: 1}}},
		eventtest.Trouble{Event: "replenish-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.DropAfter, API: "PutItem", Times: 1}}},
		eventtest.Trouble{Event: "replenish-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Throttled, Service: "dynamodb", Times: 1}}},
		eventtest.Trouble{Event: "replenish-ok", Faults: []awsproxy.Fault{{Kind: awsproxy.Broken, Service: "iot", Times: 1}}},
		eventtest.Trouble{Event: "replenish-grant-ended", Faults: []awsproxy.Fault{{Kind: awsproxy.Denied, Service: "secretsmanager"}}},
		eventtest.Trouble{Event: "replenish-queue-still-down", Faults: []awsproxy.Fault{{Kind: awsproxy.DropBefore, API: "ChangeMessageVisibility", Times: 1}}},
	)
}
