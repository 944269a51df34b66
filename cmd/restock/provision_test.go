package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/restock-dev/restock/internal/mototest"
	"github.com/restock-dev/restock/internal/provision"
)

func TestProvision(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	registry := iot.NewFromConfig(stack.AWS())
	policy := mustFind(t, stack.Resource, "DevicePolicy")
	folder := filepath.Join(t.TempDir(), "deep", "device")
	run := func(args ...string) (o provision.Outcome) {
		t.Helper()
		r := restock(t, environ, onStack(append([]string{"provision", "--json"}, args...)...)...)
		if err := json.Unmarshal([]byte(r.out), &o); err != nil || r.code != 0 {
			t.Fatalf("provision %v: %+v", args, r)
		}
		return o
	}
	certificate := func(id string) *types.CertificateDescription {
		t.Helper()
		out, err := registry.DescribeCertificate(t.Context(), &iot.DescribeCertificateInput{CertificateId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return out.CertificateDescription
	}
	check := func(o provision.Outcome) {
		t.Helper()
		const thing = "ACME-VAC-1::SN:2B1"
		attached, err := registry.ListAttachedPolicies(t.Context(), &iot.ListAttachedPoliciesInput{Target: &o.ARN})
		if err != nil || len(attached.Policies) != 1 || aws.ToString(attached.Policies[0].PolicyName) != policy {
			t.Errorf("policies of the certificate: %+v, %v", attached, err)
		}
		things, err := registry.ListPrincipalThings(t.Context(), &iot.ListPrincipalThingsInput{Principal: &o.ARN})
		if err != nil || len(things.Things) != 1 || things.Things[0] != thing {
			t.Errorf("things of the certificate: %+v, %v", things, err)
		}
		if c := certificate(o.CertificateID); c.Status != types.CertificateStatusActive {
			t.Errorf("the certificate is %s", c.Status)
		}
		if o.Thing != thing || o.ClientID != thing || o.Port != 8883 || o.Publish != "dash/v1/up/"+thing+"/" || o.Endpoint == "" ||
			o.BasicIngest != "$aws/rules/restock/dash/v1/up/"+thing+"/" || o.Subscribe != "dash/v1/down/"+thing+"/+" {
			t.Errorf("the device is told %+v", o.Device)
		}
	}

	first := run("ACME-VAC-1", "SN+1", "--out", folder)
	check(first)
	if !first.New || len(first.Others) != 0 {
		t.Errorf("the first run: %+v", first)
	}
	key := readPrivate(t, filepath.Join(folder, "device.key"))
	block, _ := pem.Decode(key)
	private, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil || private.Curve != elliptic.P256() {
		t.Errorf("the key: %v", err)
	}
	cert := readPrivate(t, filepath.Join(folder, "device.crt"))
	if string(cert) != aws.ToString(certificate(first.CertificateID).CertificatePem) {
		t.Error("device.crt is not the certificate")
	}
	var kept provision.Device
	if err := json.Unmarshal(readPrivate(t, filepath.Join(folder, "device.json")), &kept); err != nil || kept != first.Device {
		t.Errorf("device.json holds %+v, %v", kept, err)
	}

	again := run("ACME-VAC-1", "SN+1", "--out", folder)
	check(again)
	if again.New || again.Device != first.Device || string(readPrivate(t, filepath.Join(folder, "device.key"))) != string(key) {
		t.Errorf("the second run: %+v", again)
	}

	// Interrupted after the certificate was made, and before anything was done with it.
	if err := os.Remove(filepath.Join(folder, "device.crt")); err != nil {
		t.Fatal(err)
	}
	undo(t, registry, policy, first.Device)
	finished := run("ACME-VAC-1", "SN+1", "--out", folder)
	check(finished)
	if finished.Device != first.Device || string(readPrivate(t, filepath.Join(folder, "device.crt"))) != string(cert) {
		t.Errorf("a run that finishes another: %+v", finished)
	}

	text := restock(t, environ, onStack("provision", "ACME-VAC-1", "SN+1", "--out", folder)...)
	if text.code != 0 || !strings.Contains(text.out, "device.key") || !strings.Contains(text.out, first.Endpoint) {
		t.Errorf("provision: %+v", text)
	}
	secret := strings.Split(string(key), "\n")[1]
	if strings.Contains(text.out+text.err, secret) {
		t.Error("the key was printed")
	}
	restock(t, environ, onStack("provision", "ACME-VAC-1", "SN0002", "--out", folder)...).sentence(t, exitFailed, "SN:2B1", "--out")

	// A device that keeps its key.
	own := run("ACME-VAC-1", "SN+1", "--out", filepath.Join(t.TempDir(), "own"), "--csr", signingRequest(t))
	check(own)
	if own.PrivateKey != "" || len(own.Others) != 1 || own.Others[0] != first.CertificateID {
		t.Errorf("with --csr: %+v", own)
	}
	if _, err := os.Stat(filepath.Join(own.Folder, "device.key")); err == nil {
		t.Error("with --csr there is a key all the same")
	}
	restock(t, environ, onStack("provision", "ACME-VAC-1", "SN0003", "--out", t.TempDir(), "--csr", filepath.Join(folder, "device.key"))...).
		sentence(t, exitFailed, "--csr", "signing request")

	// Taken away, with both certificates.
	restock(t, environ, onStack("provision", "ACME-VAC-1", "SN+1", "--remove")...).sentence(t, exitUsage, "--yes")
	gone := restock(t, environ, onStack("provision", "ACME-VAC-1", "SN+1", "--remove", "--yes")...)
	if gone.code != 0 || !strings.Contains(gone.out, "2 certificates") || !strings.Contains(gone.out, "devices free") {
		t.Errorf("provision --remove: %+v", gone)
	}
	left, err := registry.ListCertificates(t.Context(), &iot.ListCertificatesInput{})
	if err != nil || len(left.Certificates) != 0 {
		t.Errorf("certificates are left: %+v, %v", left, err)
	}
	if r := restock(t, environ, onStack("provision", "ACME-VAC-1", "SN+1", "--remove", "--yes")...); r.code != 0 || !strings.Contains(r.out, "not known") {
		t.Errorf("provision --remove again: %+v", r)
	}
	restock(t, environ, onStack("provision", "ACME-VAC-1", "SN+1", "--out", folder)...).sentence(t, exitFailed, "not in this account", folder)
}

func readPrivate(t *testing.T, path string) []byte {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v; want mode 0600", path, info, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// undo takes back what comes after the making of a certificate.
func undo(t *testing.T, c *iot.Client, policy string, d provision.Device) {
	t.Helper()
	_, err := c.DetachThingPrincipal(t.Context(), &iot.DetachThingPrincipalInput{ThingName: &d.Thing, Principal: &d.ARN})
	if err == nil {
		_, err = c.DetachPolicy(t.Context(), &iot.DetachPolicyInput{PolicyName: &policy, Target: &d.ARN})
	}
	if err == nil {
		_, err = c.UpdateCertificate(t.Context(), &iot.UpdateCertificateInput{CertificateId: &d.CertificateID, NewStatus: types.CertificateStatusInactive})
	}
	if err == nil {
		_, err = c.DeleteThing(t.Context(), &iot.DeleteThingInput{ThingName: &d.Thing})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func signingRequest(t *testing.T) (path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, new(x509.CertificateRequest), key)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "device.csr")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProvisionRefuses(t *testing.T) {
	restock(t, nil, "provision", "ACME-VAC-1", "SN0001").sentence(t, exitUsage, "--stack")
	restock(t, nil, "provision", "ACME VAC", "SN0001", "--stack", "restock").sentence(t, exitUsage, "device_model")
	restock(t, nil, "provision", "ACME", "SN0001", "--stack", "restock", "--remove", "--csr", "x").sentence(t, exitUsage, "--remove")
}
