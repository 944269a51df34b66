package provision_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/provision"
	"github.com/restock-dev/restock/internal/thing"
)

const (
	name = "ACME-VAC-1::SN0001"
	arn  = "arn:aws:iot:us-east-1:123456789012:cert/"
)

// registry is AWS IoT's with one thing. It detaches a certificate only once time has
// passed, though it says so, and lists it no longer, at once.
type registry struct {
	gone         bool
	attributes   map[string]string
	certificates map[string]types.CertificateStatus
	listed       []string
	attached     map[string]time.Duration // for how long still
	lag          time.Duration
	stop         string // call that ends in an interruption
}

func (r *registry) stack() *provision.Stack {
	return &provision.Stack{Policy: "policy", Wait: r.wait, IoT: provision.IoT{
		DescribeThing: func(context.Context, *iot.DescribeThingInput, ...func(*iot.Options)) (*iot.DescribeThingOutput, error) {
			if r.gone {
				return nil, new(types.ResourceNotFoundException)
			}
			return &iot.DescribeThingOutput{Attributes: r.attributes}, nil
		},
		UpdateThing: func(_ context.Context, in *iot.UpdateThingInput, _ ...func(*iot.Options)) (*iot.UpdateThingOutput, error) {
			r.attributes = in.AttributePayload.Attributes
			return new(iot.UpdateThingOutput), nil
		},
		ListPrincipals: func(context.Context, *iot.ListThingPrincipalsInput, ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error) {
			return &iot.ListThingPrincipalsOutput{Principals: slices.Clone(r.listed)}, nil
		},
		ListThings: func(context.Context, *iot.ListPrincipalThingsInput, ...func(*iot.Options)) (*iot.ListPrincipalThingsOutput, error) {
			return &iot.ListPrincipalThingsOutput{Things: []string{name}}, nil
		},
		UpdateCertificate: func(_ context.Context, in *iot.UpdateCertificateInput, _ ...func(*iot.Options)) (*iot.UpdateCertificateOutput, error) {
			r.certificates[*in.CertificateId] = in.NewStatus
			return new(iot.UpdateCertificateOutput), nil
		},
		ListPolicies: func(context.Context, *iot.ListAttachedPoliciesInput, ...func(*iot.Options)) (*iot.ListAttachedPoliciesOutput, error) {
			return new(iot.ListAttachedPoliciesOutput), nil
		},
		DetachThing: func(_ context.Context, in *iot.DetachThingPrincipalInput, _ ...func(*iot.Options)) (*iot.DetachThingPrincipalOutput, error) {
			r.listed = slices.DeleteFunc(r.listed, func(p string) bool { return p == *in.Principal })
			r.attached[strings.TrimPrefix(*in.Principal, arn)] = r.lag
			return new(iot.DetachThingPrincipalOutput), nil
		},
		DeleteCertificate: func(_ context.Context, in *iot.DeleteCertificateInput, _ ...func(*iot.Options)) (*iot.DeleteCertificateOutput, error) {
			switch status, ok := r.certificates[*in.CertificateId]; {
			case r.stop == "DeleteCertificate":
				return nil, context.Canceled
			case !ok:
				return nil, new(types.ResourceNotFoundException)
			case r.attached[*in.CertificateId] > 0:
				return nil, new(types.DeleteConflictException)
			case status == types.CertificateStatusActive:
				return nil, new(types.CertificateStateException)
			}
			delete(r.certificates, *in.CertificateId)
			return new(iot.DeleteCertificateOutput), nil
		},
		DeleteThing: func(context.Context, *iot.DeleteThingInput, ...func(*iot.Options)) (*iot.DeleteThingOutput, error) {
			for _, left := range r.attached {
				if left > 0 {
					return nil, &types.InvalidRequestException{Message: aws.String("Cannot delete. Thing " + name + " is still attached to one or more principals")}
				}
			}
			r.gone = true
			return new(iot.DeleteThingOutput), nil
		},
	}}
}

func (r *registry) wait(_ context.Context, d time.Duration) error {
	for id := range r.attached {
		r.attached[id] -= d
	}
	return nil
}

func newRegistry(lag time.Duration, ids ...string) *registry {
	r := &registry{lag: lag, certificates: map[string]types.CertificateStatus{}, attached: map[string]time.Duration{}}
	for _, id := range ids {
		r.certificates[id], r.attached[id] = types.CertificateStatusActive, time.Hour
		r.listed = append(r.listed, arn+id)
	}
	return r
}

func TestRemoveLate(t *testing.T) {
	r := newRegistry(10*time.Second, "a1", "b2")
	done, err := r.stack().Remove(t.Context(), name)
	if err != nil || !done.Found || !slices.Equal(done.Certificates, []string{"a1", "b2"}) || !r.gone || len(r.certificates) > 0 {
		t.Errorf("Remove: %+v, %v; left are %v", done, err, r.certificates)
	}
}

func TestRemoveNever(t *testing.T) {
	r := newRegistry(time.Hour, "a1")
	var conflict *types.DeleteConflictException
	if _, err := r.stack().Remove(t.Context(), name); !errors.As(err, &conflict) || r.gone {
		t.Errorf("what stays attached: %v", err)
	}
}

// A certificate that was detached, and not deleted any more, is found by the next run.
func TestRemoveAgain(t *testing.T) {
	r := newRegistry(10*time.Second, "a1", "b2")
	r.stop = "DeleteCertificate"
	if _, err := r.stack().Remove(t.Context(), name); !errors.Is(err, context.Canceled) || len(r.certificates) != 2 || r.gone {
		t.Fatalf("interrupted: %v, %v", err, r.certificates)
	}
	r.stop = ""
	done, err := r.stack().Remove(t.Context(), name)
	if err != nil || len(done.Certificates) != 2 || !r.gone || len(r.certificates) > 0 {
		t.Errorf("Remove again: %+v, %v; left are %v", done, err, r.certificates)
	}
}

// A key that others may have read is not what a device's security rests on.
func TestProvisionReadableKey(t *testing.T) {
	made := errors.New("a certificate was asked for")
	s := &provision.Stack{IoT: provision.IoT{
		Endpoint: func(context.Context, *iot.DescribeEndpointInput, ...func(*iot.Options)) (*iot.DescribeEndpointOutput, error) {
			return &iot.DescribeEndpointOutput{EndpointAddress: aws.String("example.com")}, nil
		},
		CreateCertificate: func(context.Context, *iot.CreateCertificateFromCsrInput, ...func(*iot.Options)) (*iot.CreateCertificateFromCsrOutput, error) {
			return nil, made
		},
	}}
	device, err := thing.New("ACME-VAC-1", "SN0001")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "provisioned", "device")
	if _, err := s.Provision(t.Context(), device, folder, nil); !errors.Is(err, made) {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(folder, ".gitignore")); err != nil || string(text) != "*\n" {
		t.Errorf(".gitignore holds %q, %v", text, err)
	}
	if _, err := s.Provision(t.Context(), device, folder, nil); !errors.Is(err, made) {
		t.Errorf("with the key of before: %v", err)
	}
	if err := os.Chmod(filepath.Join(folder, "device.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Provision(t.Context(), device, folder, nil); err == nil || errors.Is(err, made) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("with a key that others can read: %v", err)
	}
}
