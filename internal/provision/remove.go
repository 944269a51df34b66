package provision

import (
	"context"
	"errors"
	"slices"
	"time"

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

// AWS IoT detaches a certificate from its thing some time after it said so, and until then
// deletes neither.
const (
	detachPause = time.Second
	detachTries = 30
)

// removing is the attribute of a thing that names the certificate which is being deleted.
// Once it is detached nothing else does, and whoever runs Remove again must find it.
const removing = "removing"

// Remove deletes a thing and the certificates that are its own. Its registration stays:
// see package ownership. Whoever was interrupted runs it again.
//
// Errors: those of [deployed.Explain].
func (s *Stack) Remove(ctx context.Context, name string) (Removed, error) {
	r := Removed{Thing: name, Certificates: []string{}, Shared: []string{}}
	found, err := s.IoT.DescribeThing(ctx, &iot.DescribeThingInput{ThingName: &name})
	if missing(err) {
		return r, nil
	}
	if err != nil {
		return r, deployed.Explain(err)
	}
	r.Found = true
	arns, err := s.certificates(ctx, name)
	if err != nil {
		return r, err
	}
	if id := found.Attributes[removing]; id != "" && !slices.ContainsFunc(arns, func(arn string) bool { return certificateID(arn) == id }) {
		if err := s.deleteCertificate(ctx, id); err != nil {
			return r, deployed.Explain(err)
		}
		r.Certificates = append(r.Certificates, id)
	}
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
	err = s.patiently(ctx, func() error {
		_, err := s.IoT.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: &name})
		return err
	})
	return r, deployed.Explain(err)
}

// removeCertificate detaches a certificate, and deletes it unless another thing has it, too.
// It dies first, so that a device can't connect by what is half removed.
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
		if err == nil {
			err = s.remember(ctx, name, id)
		}
		if err != nil {
			return false, err
		}
	}
	if _, err := s.IoT.DetachThing(ctx, &iot.DetachThingPrincipalInput{ThingName: &name, Principal: &arn}); err != nil || shared {
		return shared, err
	}
	return false, s.deleteCertificate(ctx, id)
}

// remember notes with the thing which certificate is about to go.
func (s *Stack) remember(ctx context.Context, name, id string) error {
	_, err := s.IoT.UpdateThing(ctx, &iot.UpdateThingInput{
		ThingName: &name, AttributePayload: &types.AttributePayload{Attributes: map[string]string{removing: id}, Merge: true},
	})
	var full *types.InvalidRequestException // as many attributes of yours as a thing may have: it has to go without
	if errors.As(err, &full) {
		return nil
	}
	return err
}

// deleteCertificate deletes one that is detached, or will be in a moment. That it is gone
// already is fine.
func (s *Stack) deleteCertificate(ctx context.Context, id string) error {
	err := s.patiently(ctx, func() error {
		_, err := s.IoT.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &id})
		return err
	})
	if missing(err) {
		return nil
	}
	return err
}

// patiently repeats a deletion for as long as AWS IoT says that something is attached.
func (s *Stack) patiently(ctx context.Context, remove func() error) error {
	for try := 1; ; try++ {
		err := remove()
		var conflict *types.DeleteConflictException // of a certificate
		var attached *types.InvalidRequestException // of a thing
		if try == detachTries || !errors.As(err, &conflict) && !errors.As(err, &attached) {
			return err
		}
		if err := s.Wait(ctx, detachPause); err != nil {
			return err
		}
	}
}

func missing(err error) bool {
	var e *types.ResourceNotFoundException
	return errors.As(err, &e)
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
