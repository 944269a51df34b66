package provision

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/deployed"
)

// Removed is what was taken away of a device.
type Removed struct {
	Thing        string   `json:"thing"`
	Found        bool     `json:"found"`        // the thing was there
	Certificates []string `json:"certificates"` // that were deleted; the device can't connect by them any more
	Shared       []string `json:"shared"`       // that other things use, too: only detached
}

// Remove deletes a thing and the certificates that are its own. Its registration stays:
// see package ownership. Whoever was interrupted runs it again.
//
// Errors: those of [deployed.Explain].
func (s *Stack) Remove(ctx context.Context, name string) (Removed, error) {
	r := Removed{Thing: name, Certificates: []string{}, Shared: []string{}}
	arns, err := s.certificates(ctx, name)
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Found = true
	for _, arn := range arns {
		shared, err := s.removeCertificate(ctx, name, arn)
		if err != nil {
			return r, deployed.Explain(err)
		}
		if shared {
			r.Shared = append(r.Shared, certificateID(arn))
		} else {
			r.Certificates = append(r.Certificates, certificateID(arn))
		}
	}
	_, err = s.IoT.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: &name})
	return r, deployed.Explain(err)
}

// removeCertificate detaches a certificate, and deletes it unless another thing has it, too.
// It dies first, so that a device can't connect by what is half removed, and is detached
// last, so that whoever runs this again finds it.
func (s *Stack) removeCertificate(ctx context.Context, name, arn string) (shared bool, err error) {
	things, err := s.IoT.ListThings(ctx, &iot.ListPrincipalThingsInput{Principal: &arn})
	if err != nil {
		return false, err
	}
	id := certificateID(arn)
	shared = len(things.Things) > 1
	if !shared {
		_, err = s.IoT.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &id, NewStatus: types.CertificateStatusInactive})
		if err == nil {
			err = s.detachPolicies(ctx, arn)
		}
		if err != nil {
			return false, err
		}
	}
	if _, err := s.IoT.DetachThing(ctx, &iot.DetachThingPrincipalInput{ThingName: &name, Principal: &arn}); err != nil || shared {
		return shared, err
	}
	_, err = s.IoT.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &id})
	return false, err
}

func (s *Stack) detachPolicies(ctx context.Context, arn string) error {
	for next := (*string)(nil); ; {
		page, err := s.IoT.ListPolicies(ctx, &iot.ListAttachedPoliciesInput{Target: &arn, Marker: next})
		if err != nil {
			return err
		}
		for _, p := range page.Policies {
			if _, err := s.IoT.DetachPolicy(ctx, &iot.DetachPolicyInput{PolicyName: p.PolicyName, Target: &arn}); err != nil {
				return err
			}
		}
		if next = page.NextMarker; next == nil {
			return nil
		}
	}
}
