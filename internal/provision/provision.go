// Package provision makes a device known to AWS IoT Core: its thing, its certificate and
// the stack's policy, and a folder of files to flash.
//
// Every step can be repeated, and whoever was interrupted runs it again: what is there
// already stays as it is. A certificate becomes active at the very end.
package provision

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/thing"
)

// RootCA is where the certificate lies that devices check AWS IoT's with.
const RootCA = "https://www.amazontrust.com/repository/AmazonRootCA1.pem"

// port of MQTT over TLS.
const port = 8883

type call[I, O any] = func(context.Context, *I, ...func(*iot.Options)) (*O, error)

// IoT are the calls of AWS IoT that it takes. They stand one by one, because a client in an
// interface would bring all of its methods into the program.
type IoT struct {
	CreateThing         call[iot.CreateThingInput, iot.CreateThingOutput]
	CreateCertificate   call[iot.CreateCertificateFromCsrInput, iot.CreateCertificateFromCsrOutput]
	DescribeCertificate call[iot.DescribeCertificateInput, iot.DescribeCertificateOutput]
	UpdateCertificate   call[iot.UpdateCertificateInput, iot.UpdateCertificateOutput]
	DeleteCertificate   call[iot.DeleteCertificateInput, iot.DeleteCertificateOutput]
	AttachPolicy        call[iot.AttachPolicyInput, iot.AttachPolicyOutput]
	ListPolicies        call[iot.ListAttachedPoliciesInput, iot.ListAttachedPoliciesOutput]
	DetachPolicy        call[iot.DetachPolicyInput, iot.DetachPolicyOutput]
	AttachThing         call[iot.AttachThingPrincipalInput, iot.AttachThingPrincipalOutput]
	ListPrincipals      call[iot.ListThingPrincipalsInput, iot.ListThingPrincipalsOutput]
	ListThings          call[iot.ListPrincipalThingsInput, iot.ListPrincipalThingsOutput]
	DetachThing         call[iot.DetachThingPrincipalInput, iot.DetachThingPrincipalOutput]
	DescribeThing       call[iot.DescribeThingInput, iot.DescribeThingOutput]
	UpdateThing         call[iot.UpdateThingInput, iot.UpdateThingOutput]
	DeleteThing         call[iot.DeleteThingInput, iot.DeleteThingOutput]
	Endpoint            call[iot.DescribeEndpointInput, iot.DescribeEndpointOutput]
}

// Stack provisions devices of a deployed stack.
type Stack struct {
	IoT    IoT
	Policy string // the stack's DevicePolicy
	Ingest string // prefix of Basic Ingest: $aws/rules/<rule>/dash/v1/up/

	// Wait pauses, or fails once ctx is done.
	Wait func(ctx context.Context, d time.Duration) error
}

// Of returns what provisions the devices of s.
func Of(s *deployed.Stack) (*Stack, error) {
	policy, err := s.Resource("DevicePolicy")
	if err != nil {
		return nil, err
	}
	rule, err := s.Resource("ReplenishRule")
	if err != nil {
		return nil, err
	}
	c := iot.NewFromConfig(s.AWS())
	return &Stack{Policy: policy, Ingest: "$aws/rules/" + rule + "/dash/v1/up/", Wait: backoff.Sleep, IoT: IoT{
		CreateThing: c.CreateThing, CreateCertificate: c.CreateCertificateFromCsr, DescribeCertificate: c.DescribeCertificate,
		UpdateCertificate: c.UpdateCertificate, DeleteCertificate: c.DeleteCertificate, AttachPolicy: c.AttachPolicy,
		ListPolicies: c.ListAttachedPolicies, DetachPolicy: c.DetachPolicy, AttachThing: c.AttachThingPrincipal,
		ListPrincipals: c.ListThingPrincipals, ListThings: c.ListPrincipalThings, DetachThing: c.DetachThingPrincipal,
		DescribeThing: c.DescribeThing, UpdateThing: c.UpdateThing, DeleteThing: c.DeleteThing, Endpoint: c.DescribeEndpoint,
	}}, nil
}

// Device is what a device needs to connect, as its folder's device.json has it.
type Device struct {
	Thing         string `json:"thing"`
	ClientID      string `json:"client_id"` // the thing, too
	Endpoint      string `json:"endpoint"`
	Port          int    `json:"port"`
	Certificate   string `json:"certificate"` // file in the folder
	PrivateKey    string `json:"private_key"` // file in the folder; "" where the key stays on the device
	RootCA        string `json:"root_ca"`     // where to get it
	Publish       string `json:"publish"`     // prefix of what it says
	BasicIngest   string `json:"basic_ingest"`
	Subscribe     string `json:"subscribe"` // filter of what it hears
	CertificateID string `json:"certificate_id"`
	ARN           string `json:"certificate_arn"`
}

// Outcome is what provisioning did.
type Outcome struct {
	Device
	Folder string   `json:"folder"`
	New    bool     `json:"new"`                          // the certificate was made now
	Others []string `json:"other_certificates,omitempty"` // of the same thing, which stay good
}

// Provision makes device known, or finishes what an earlier run began in the same folder.
// csr is a certificate signing request in PEM whose key stays on the device; with nil the
// key is made here, and never leaves the folder.
//
// Errors are sentences for the operator; none holds a key.
func (s *Stack) Provision(ctx context.Context, device thing.Device, folder string, csr []byte) (*Outcome, error) {
	name := device.Name()
	f, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Folder: folder}
	known, err := f.device()
	switch {
	case err != nil:
		return nil, err
	case known != nil:
		o.Device = *known
		if known.Thing != name {
			return nil, fmt.Errorf("the folder %s is that of %s: name another with --out", folder, known.Thing)
		}
	default:
		if err := s.begin(ctx, o, f, name, csr); err != nil {
			return nil, err
		}
	}
	if err := s.finish(ctx, o, f); err != nil {
		return nil, err
	}
	o.Others, err = s.others(ctx, &o.Device)
	return o, err
}

// begin makes the certificate, and writes down which it is before anything is done with it.
func (s *Stack) begin(ctx context.Context, o *Outcome, f *folder, name string, csr []byte) error {
	endpoint, err := s.IoT.Endpoint(ctx, &iot.DescribeEndpointInput{EndpointType: aws.String("iot:Data-ATS")})
	if err != nil {
		return deployed.Explain(err)
	}
	key := ""
	if csr == nil {
		key = keyFile
		csr, err = f.request(name)
	} else {
		err = checkRequest(csr)
	}
	if err != nil {
		return err
	}
	made, err := s.IoT.CreateCertificate(ctx, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: aws.String(string(csr))})
	if err != nil {
		return deployed.Explain(err)
	}
	o.New = true
	o.Device = Device{
		Thing: name, ClientID: name, Endpoint: aws.ToString(endpoint.EndpointAddress), Port: port, Certificate: certFile, PrivateKey: key, RootCA: RootCA,
		Publish: "dash/v1/up/" + name + "/", BasicIngest: s.Ingest + name + "/", Subscribe: "dash/v1/down/" + name + "/+",
		CertificateID: aws.ToString(made.CertificateId), ARN: aws.ToString(made.CertificateArn),
	}
	return f.writeDevice(&o.Device)
}

// finish does what can be done again: certificate file, thing, policy, and at the end the
// certificate comes to life.
func (s *Stack) finish(ctx context.Context, o *Outcome, f *folder) error {
	found, err := s.IoT.DescribeCertificate(ctx, &iot.DescribeCertificateInput{CertificateId: &o.CertificateID})
	switch {
	case missing(err) || err == nil && found.CertificateDescription == nil:
		return fmt.Errorf("the certificate of the folder %s is not in this account and region, or not any more: name another folder with --out to make one", o.Folder)
	case err != nil:
		return deployed.Explain(err)
	case found.CertificateDescription.Status == types.CertificateStatusRevoked:
		return fmt.Errorf("the certificate of the folder %s was revoked: name another folder with --out to make one", o.Folder)
	}
	if err := f.writeCertificate(aws.ToString(found.CertificateDescription.CertificatePem)); err != nil {
		return err
	}
	_, err = s.IoT.CreateThing(ctx, &iot.CreateThingInput{ThingName: &o.Thing})
	var exists *types.ResourceAlreadyExistsException // with attributes of yours
	if err != nil && !errors.As(err, &exists) {
		return deployed.Explain(err)
	}
	if _, err := s.IoT.AttachPolicy(ctx, &iot.AttachPolicyInput{PolicyName: &s.Policy, Target: &o.ARN}); err != nil {
		return deployed.Explain(err)
	}
	if _, err := s.IoT.AttachThing(ctx, &iot.AttachThingPrincipalInput{ThingName: &o.Thing, Principal: &o.ARN}); err != nil {
		return deployed.Explain(err)
	}
	_, err = s.IoT.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &o.CertificateID, NewStatus: types.CertificateStatusActive})
	return deployed.Explain(err)
}

// others returns the IDs of the thing's other certificates.
func (s *Stack) others(ctx context.Context, d *Device) ([]string, error) {
	all, err := s.certificates(ctx, d.Thing)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, arn := range all {
		if arn != d.ARN {
			ids = append(ids, certificateID(arn))
		}
	}
	return ids, nil
}

// certificates returns the ARNs of all certificates of a thing.
func (s *Stack) certificates(ctx context.Context, name string) (arns []string, err error) {
	for next := (*string)(nil); ; {
		page, err := s.IoT.ListPrincipals(ctx, &iot.ListThingPrincipalsInput{ThingName: &name, NextToken: next})
		if err != nil {
			return nil, deployed.Explain(err)
		}
		for _, p := range page.Principals {
			if strings.Contains(p, ":cert/") {
				arns = append(arns, p)
			}
		}
		if next = page.NextToken; next == nil {
			return arns, nil
		}
	}
}

func certificateID(arn string) string {
	_, id, _ := strings.Cut(arn, ":cert/")
	return id
}

// DefaultFolder is where the files of a device go below the working directory.
func DefaultFolder(d thing.Device) string { return filepath.Join("provisioned", d.Model, d.Serial) }
