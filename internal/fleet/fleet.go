// Package fleet decides, for AWS IoT Core's provisioning by claim, whether a device gets a
// certificate of its own, and as which thing.
//
// All devices of a batch share the claim's key, so whoever has one has it. What keeps a
// stranger out is a list of the serials that were made, which is the registry itself: a thing
// that is there and has no certificate yet may get one, once.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/thing"
)

// Parameters of the provisioning template. The first two come from the device; the third
// is ours: the template's functions can't write a + as :2B.
const (
	ParameterModel  = "DeviceModel"
	ParameterSerial = "SerialNumber"
	ParameterThing  = "ThingName"
)

// Request is what AWS IoT asks before it provisions a device, payload version 2020-04-01.
//
// Source: docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
type Request struct {
	ClientID   string            `json:"clientId"`
	Parameters map[string]string `json:"parameters"`
}

// Answer allows or refuses.
type Answer struct {
	Allow     bool              `json:"allowProvisioning"`
	Overrides map[string]string `json:"parameterOverrides"`
}

// Hook answers for AWS IoT Core. It is safe for concurrent use.
type Hook struct {
	// Models are the device models that may be provisioned.
	Models []string
	// ListPrincipals is that of AWS IoT.
	ListPrincipals func(context.Context, *iot.ListThingPrincipalsInput, ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error)
}

// Provision answers a request. After an error AWS IoT provisions nothing, and the device
// asks again.
func (h *Hook) Provision(ctx context.Context, r Request) (Answer, error) {
	device, err := thing.New(r.Parameters[ParameterModel], r.Parameters[ParameterSerial])
	if err != nil {
		return refuse(ctx, r, "device", err.Error())
	}
	name := device.Name()
	if !slices.Contains(h.Models, device.Model) {
		return refuse(ctx, r, name, "the device model is not among those that may be provisioned")
	}
	found, err := h.ListPrincipals(ctx, &iot.ListThingPrincipalsInput{ThingName: &name})
	var unknown *types.ResourceNotFoundException
	switch {
	case errors.As(err, &unknown):
		return refuse(ctx, r, name, "there is no such thing: its serial was not announced")
	case err != nil:
		return Answer{}, fmt.Errorf("looking for the certificates of %s: %w", name, err)
	case len(found.Principals) > 0:
		return refuse(ctx, r, name, "the thing has a certificate already")
	}
	slog.InfoContext(ctx, "device is provisioned", "thing", name)
	return Answer{Allow: true, Overrides: map[string]string{ParameterThing: name}}, nil
}

// refuse says why in the log; the device hears only that it was refused.
func refuse(ctx context.Context, r Request, name, why string) (Answer, error) {
	slog.WarnContext(ctx, "device is not provisioned", "thing", name, "client_id", fmt.Sprintf("%.128s", r.ClientID), "reason", why)
	return Answer{Overrides: map[string]string{}}, nil
}
