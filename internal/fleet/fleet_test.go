package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/fleet"
)

// registry has things and their certificates.
type registry map[string][]string

func (r registry) list(_ context.Context, in *iot.ListThingPrincipalsInput, _ ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error) {
	if *in.ThingName == "ACME-VAC-1::SN-AWAY" {
		return nil, errors.New("AWS is away")
	}
	certificates, ok := r[*in.ThingName]
	if !ok {
		return nil, new(types.ResourceNotFoundException)
	}
	return &iot.ListThingPrincipalsOutput{Principals: certificates}, nil
}

func TestProvision(t *testing.T) {
	r := registry{"ACME-VAC-1::SN0001": nil, "ACME-VAC-1::SN:2B1": nil, "ACME-VAC-1::SN0002": {"arn:aws:iot:us-east-1:1:cert/a"}, "OTHER::SN0001": nil}
	h := &fleet.Hook{Models: []string{"ACME-VAC-1"}, ListPrincipals: r.list}
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
