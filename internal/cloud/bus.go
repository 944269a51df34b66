package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/restock-dev/restock/internal/store"
)

// Source and detail type of our events, for rules on the bus.
const (
	EventSource     = "restock"
	GrantEndedEvent = "Grant Ended"
)

// Bus is an EventBridge bus on which makers hear of grants that have ended.
type Bus struct {
	put  func(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
	name string
}

// Bus returns the bus that the configuration names.
func (a *AWS) Bus() *Bus {
	client := eventbridge.NewFromConfig(a.sdk, func(o *eventbridge.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("EVENTBRIDGE"))
	})
	return &Bus{client.PutEvents, a.Config.EventBus}
}

// GrantEnded puts one event on the bus. It holds no customer: whoever needs that has
// the thing.
func (b *Bus) GrantEnded(ctx context.Context, r *store.Registration) error {
	detail, err := json.Marshal(struct {
		Thing       string    `json:"thing"`
		DeviceModel string    `json:"device_model"`
		Serial      string    `json:"serial"`
		Status      string    `json:"status"`
		Reason      string    `json:"reason"`
		At          time.Time `json:"at"`
	}{r.Thing, r.DeviceModel, r.Serial, string(r.Status), r.Reason, r.StatusAt.UTC()})
	if err != nil {
		return fmt.Errorf("encoding the end of the grant of %s: %w", r.Thing, err)
	}
	out, err := b.put(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: aws.String(b.name), Source: aws.String(EventSource), DetailType: aws.String(GrantEndedEvent),
		Detail: aws.String(string(detail)),
	}}})
	switch {
	case err != nil:
		return fmt.Errorf("telling the bus of %s: %w", r.Thing, err)
	case out.FailedEntryCount > 0 && len(out.Entries) > 0:
		return fmt.Errorf("telling the bus of %s: EventBridge refused the event (%.100s)", r.Thing, aws.ToString(out.Entries[0].ErrorCode))
	case out.FailedEntryCount > 0:
		return fmt.Errorf("telling the bus of %s: EventBridge refused the event", r.Thing)
	}
	return nil
}
