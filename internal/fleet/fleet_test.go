package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/fleet"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// record is a thing in the registry.
type record struct {
	version      int64
	certificates []string
	attributes   map[string]string
}

// registry answers as AWS IoT does. Between what a request reads and what it writes, meanwhile
// is called once.
type registry struct {
	things    map[string]*record
	meanwhile func()
}

func (r *registry) find(name *string) (*record, error) {
	if *name == "ACME-VAC-1::SN-AWAY" {
		return nil, errors.New("AWS is away")
	}
	if t := r.things[*name]; t != nil {
		return t, nil
	}
	return nil, new(types.ResourceNotFoundException)
}

// ListThingPrincipals implements fleet.Registry.
func (r *registry) ListThingPrincipals(_ context.Context, in *iot.ListThingPrincipalsInput, _ ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error) {
	t, err := r.find(in.ThingName)
	if err != nil {
		return nil, err
	}
	return &iot.ListThingPrincipalsOutput{Principals: t.certificates}, nil
}

// DescribeThing implements fleet.Registry.
func (r *registry) DescribeThing(_ context.Context, in *iot.DescribeThingInput, _ ...func(*iot.Options)) (*iot.DescribeThingOutput, error) {
	t, err := r.find(in.ThingName)
	if err != nil {
		return nil, err
	}
	out := &iot.DescribeThingOutput{Version: t.version, Attributes: maps.Clone(t.attributes)}
	if f := r.meanwhile; f != nil {
		r.meanwhile = nil
		f()
	}
	return out, nil
}

// UpdateThing implements fleet.Registry.
func (r *registry) UpdateThing(_ context.Context, in *iot.UpdateThingInput, _ ...func(*iot.Options)) (*iot.UpdateThingOutput, error) {
	t, err := r.find(in.ThingName)
	switch {
	case err != nil:
		return nil, err
	case in.ExpectedVersion != nil && *in.ExpectedVersion != t.version:
		return nil, new(types.VersionConflictException)
	case !in.AttributePayload.Merge:
		t.attributes = nil
	}
	if t.attributes == nil {
		t.attributes = map[string]string{}
	}
	maps.Copy(t.attributes, in.AttributePayload.Attributes)
	t.version++
	return new(iot.UpdateThingOutput), nil
}

func hook(r *registry, at time.Time) *fleet.Hook {
	return &fleet.Hook{Models: []string{"ACME-VAC-1"}, Registry: r, Now: func() time.Time { return at }}
}

func TestProvision(t *testing.T) {
	h := hook(&registry{things: map[string]*record{
		"ACME-VAC-1::SN0001": {version: 1}, "ACME-VAC-1::SN:2B1": {version: 1}, "OTHER::SN0001": {version: 1},
		"ACME-VAC-1::SN0002": {version: 1, certificates: []string{"arn:aws:iot:us-east-1:1:cert/a"}},
	}}, now)
	for _, tt := range []struct{ name, model, serial, want string }{
		{"announced", "ACME-VAC-1", "SN0001", `{"allowProvisioning":true,"parameterOverrides":{"ThingName":"ACME-VAC-1::SN0001"}}`},
		{"a plus in the serial", "ACME-VAC-1", "SN+1", `{"allowProvisioning":true,"parameterOverrides":{"ThingName":"ACME-VAC-1::SN:2B1"}}`},
		{"has a certificate", "ACME-VAC-1", "SN0002", `{"allowProvisioning":false,"parameterOverrides":{}}`},
		{"not announced", "ACME-VAC-1", "SN0003", `{"allowProvisioning":false,"parameterOverrides":{}}`},
		{"another model", "OTHER", "SN0001", `{"allowProvisioning":false,"parameterOverrides":{}}`},
		{"malformed serial", "ACME-VAC-1", "SN:2B1", `{"allowProvisioning":false,"parameterOverrides":{}}`},
		{"no serial", "ACME-VAC-1", "", `{"allowProvisioning":false,"parameterOverrides":{}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var request fleet.Request
			text := `{"claimCertificateId":"c","certificateId":"d","templateArn":"arn","clientId":"claim-1","parameters":{"ThingName":"ACME-VAC-1::SN0001","DeviceModel":"` +
				tt.model + `","SerialNumber":"` + tt.serial + `"}}`
			if err := json.Unmarshal([]byte(text), &request); err != nil {
				t.Fatal(err)
			}
			answer, err := h.Provision(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := json.Marshal(answer); err != nil || string(got) != tt.want {
				t.Errorf("Provision() = %s, %v, want %s", got, err, tt.want)
			}
		})
	}
	request := fleet.Request{Parameters: map[string]string{"DeviceModel": "ACME-VAC-1", "SerialNumber": "SN-AWAY"}}
	if answer, err := h.Provision(t.Context(), request); err == nil || answer.Allow {
		t.Errorf("Provision() while AWS is away = %+v, %v", answer, err)
	}
}

func ask(t *testing.T, h *fleet.Hook) bool {
	t.Helper()
	answer, err := h.Provision(t.Context(), fleet.Request{Parameters: map[string]string{"DeviceModel": "ACME-VAC-1", "SerialNumber": "SN0001"}})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Allow
}

// Of two devices that ask for one serial at the same moment, one gets it.
func TestClaim(t *testing.T) {
	device := &record{version: 7, attributes: map[string]string{"colour": "red"}}
	r := &registry{things: map[string]*record{"ACME-VAC-1::SN0001": device}}
	first := false
	r.meanwhile = func() { first = ask(t, hook(r, now)) }
	if second := ask(t, hook(r, now)); second || !first {
		t.Errorf("the one that came in between: %v, the one whose write came later: %v", first, second)
	}
	if ask(t, hook(r, now.Add(4*time.Minute))) {
		t.Error("another is allowed while the first one's certificate may not be attached yet")
	}
	if !ask(t, hook(r, now.Add(6*time.Minute))) {
		t.Error("a device that has broken off may never ask again")
	}
	device.certificates = []string{"arn:aws:iot:us-east-1:1:cert/a"}
	if ask(t, hook(r, now.Add(time.Hour))) {
		t.Error("one that has a certificate is given another")
	}
	if device.attributes["colour"] != "red" {
		t.Errorf("the maker's attributes are gone: %v", device.attributes)
	}
}
