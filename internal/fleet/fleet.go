// Package fleet decides, for AWS IoT Core's provisioning by claim, whether a device gets a
// certificate of its own, and as which thing.
//
// All devices of a batch share the claim's key, so whoever has one has it. What keeps a
// stranger out is a list of the serials that were made, which is the registry itself: a thing
// that is there and has no certificate yet may get one, once. Of two that ask at the same
// moment one does: whoever may go on has claimed the thing first, by a write on condition
// that nobody else has written it. A claim is an attribute of the thing, and ends by itself.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

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

// claimed is the attribute of a thing that says since when a device is being provisioned as it.
const claimed = "provisioning-since"

// claimTime is how long a claim stands. By then the certificate is attached, and everybody who
// looks for it sees it; else the device has given up, and may ask again.
const claimTime = 5 * time.Minute

// Registry is what is used of [iot.Client].
type Registry interface {
	ListThingPrincipals(context.Context, *iot.ListThingPrincipalsInput, ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error)
	DescribeThing(context.Context, *iot.DescribeThingInput, ...func(*iot.Options)) (*iot.DescribeThingOutput, error)
	UpdateThing(context.Context, *iot.UpdateThingInput, ...func(*iot.Options)) (*iot.UpdateThingOutput, error)
}

// Hook answers for AWS IoT Core. All fields are required. It is safe for concurrent use.
type Hook struct {
	// Models are the device models that may be provisioned.
	Models   []string
	Registry Registry
	Now      func() time.Time
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
	why, err := h.taken(ctx, name)
	if err == nil && why == "" {
		why, err = h.claim(ctx, name)
	}
	var unknown *types.ResourceNotFoundException
	switch {
	case errors.As(err, &unknown):
		return refuse(ctx, r, name, "there is no such thing: its serial was not announced")
	case err != nil:
		return Answer{}, err
	case why != "":
		return refuse(ctx, r, name, why)
	}
	slog.InfoContext(ctx, "device is provisioned", "thing", name)
	return Answer{Allow: true, Overrides: map[string]string{ParameterThing: name}}, nil
}

// taken says why a thing may get no certificate any more; "": it may.
func (h *Hook) taken(ctx context.Context, name string) (string, error) {
	found, err := h.Registry.ListThingPrincipals(ctx, &iot.ListThingPrincipalsInput{ThingName: &name})
	if err != nil {
		return "", fmt.Errorf("looking for the certificates of %s: %w", name, err)
	}
	if len(found.Principals) > 0 {
		return "the thing has a certificate already", nil
	}
	return "", nil
}

// claim makes this the only device that is provisioned as a thing for [claimTime], and says
// why it can't; "": it has.
//
// Source: docs.aws.amazon.com/iot/latest/apireference/API_UpdateThing.html, expectedVersion
func (h *Hook) claim(ctx context.Context, name string) (string, error) {
	const other = "another device is just being provisioned as this thing, or was and has broken off; it may ask again in a few minutes"
	found, err := h.Registry.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: &name})
	if err != nil {
		return "", fmt.Errorf("looking for a claim of %s: %w", name, err)
	}
	now := h.Now().UTC()
	if since, err := time.Parse(time.RFC3339, found.Attributes[claimed]); err == nil && now.Sub(since) < claimTime {
		return other, nil
	}
	_, err = h.Registry.UpdateThing(ctx, &iot.UpdateThingInput{
		ThingName: &name, ExpectedVersion: &found.Version,
		AttributePayload: &types.AttributePayload{Attributes: map[string]string{claimed: now.Format(time.RFC3339)}, Merge: true},
	})
	var conflict *types.VersionConflictException
	switch {
	case errors.As(err, &conflict):
		return other, nil
	case err != nil:
		return "", fmt.Errorf("claiming %s: %w", name, err)
	}
	return "", nil
}

// refuse says why in the log; the device hears only that it was refused.
func refuse(ctx context.Context, r Request, name, why string) (Answer, error) {
	slog.WarnContext(ctx, "device is not provisioned", "thing", name, "client_id", fmt.Sprintf("%.128s", r.ClientID), "reason", why)
	return Answer{Overrides: map[string]string{}}, nil
}
