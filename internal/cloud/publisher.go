package cloud

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane"
	"github.com/aws/aws-sdk-go-v2/service/iotdataplane/types"

	"github.com/restock-dev/restock/internal/message"
)

// messageExpirySeconds is how long AWS IoT keeps a message for a device that sleeps:
// as long as it keeps a persistent session. A device that wakes later asks.
const messageExpirySeconds = 3600

// Publisher tells devices of events through AWS IoT Core.
type Publisher struct {
	publish func(context.Context, *iotdataplane.PublishInput, ...func(*iotdataplane.Options)) (*iotdataplane.PublishOutput, error)
}

// Publisher returns a Publisher.
func (a *AWS) Publisher() *Publisher {
	client := iotdataplane.NewFromConfig(a.sdk, func(o *iotdataplane.Options) {
		o.BaseEndpoint = override(o.BaseEndpoint, a.endpoint("IOT_DATA_PLANE"))
	})
	return &Publisher{client.Publish}
}

// PublisherOf returns a Publisher for an operator's command, with the operator's own
// credentials, region and bounds in sdk.
func PublisherOf(sdk aws.Config) *Publisher {
	return &Publisher{iotdataplane.NewFromConfig(sdk).Publish}
}

// Publish sends payload, as JSON, to the topic on which a thing hears of an event,
// once at least. That the broker took it does not say that the device got it.
func (p *Publisher) Publish(ctx context.Context, thing, event string, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encoding %s for %s: %w", event, thing, err)
	}
	_, err = p.publish(ctx, &iotdataplane.PublishInput{
		Topic:                  aws.String(message.Down(thing, event)),
		Payload:                body,
		Qos:                    1,
		ContentType:            aws.String("application/json"),
		PayloadFormatIndicator: types.PayloadFormatIndicatorUtf8Data,
		MessageExpiry:          messageExpirySeconds,
	})
	if err != nil {
		return fmt.Errorf("publishing %s to %s: %w", event, thing, err)
	}
	return nil
}
