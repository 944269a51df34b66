package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/restock-dev/restock/internal/provision"
	"github.com/restock-dev/restock/internal/thing"
)

type provisionCommand struct {
	Model  string `arg:"" help:"Device model, as in ACME-VAC-1."`
	Serial string `arg:"" help:"Serial, as in SN0001."`
	Stack  string `required:"" placeholder:"NAME" help:"Deployed stack that the device belongs to."`
	awsFlags
	Out    string `placeholder:"DIR" help:"Folder for the device's files. Default: provisioned/MODEL/SERIAL."`
	CSR    string `name:"csr" placeholder:"FILE" help:"Certificate signing request of the device, in PEM: its key stays where it is."`
	Remove bool   `help:"Take the device away: its certificates and its thing are deleted."`
	Yes    bool   `short:"y" help:"Don't ask before taking away."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (c *provisionCommand) Help() string {
	return `Makes the device known to AWS IoT Core: the thing under the name that all of Restock has for it, a certificate with the
stack's policy, and a folder of what to flash. Run again it changes nothing, and finishes what was interrupted. The key is made
here and never leaves the folder, where its owner alone can read it; with --csr it never leaves the device.

Examples:

    restock provision ACME-VAC-1 SN0001 --stack restock
    restock provision ACME-VAC-1 SN0001 --stack restock --csr SN0001.csr --out flash/SN0001 --json
    restock provision ACME-VAC-1 SN0001 --stack restock --remove`
}

func (c *provisionCommand) Run(ctx context.Context, t *terminal) error {
	device, err := thing.New(c.Model, c.Serial)
	if err != nil {
		return usageError{err.Error()}
	}
	if c.Remove && (c.CSR != "" || c.Out != "") {
		return usageError{"--remove goes without --csr and --out"}
	}
	if c.Remove && !c.Yes && !t.canAsk() {
		return usageError{"nobody can be asked here: say --yes"}
	}
	stack, err := openStack(ctx, t, c.Stack, c.awsFlags)
	if err != nil {
		return err
	}
	p, err := provision.Of(stack)
	if err != nil {
		return err
	}
	if c.Remove {
		return c.remove(ctx, t, p, device.Name())
	}
	var csr []byte
	if c.CSR != "" {
		if csr, err = os.ReadFile(c.CSR); err != nil {
			return fmt.Errorf("reading the signing request: %w", err)
		}
	}
	folder := c.Out
	if folder == "" {
		folder = provision.DefaultFolder(device)
	}
	t.progress("provisioning " + device.Name())
	o, err := p.Provision(ctx, device, folder, csr)
	t.progress("")
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(o)
	}
	c.show(t, o)
	return nil
}

func (c *provisionCommand) show(t *terminal, o *provision.Outcome) {
	what := "was known already, and is whole"
	if o.New {
		what = "is known to AWS IoT Core"
	}
	t.printf("%s %s %s.", t.mark(true), t.bold(o.Thing), what)
	t.printf("\nFlash:")
	line := func(name, value string) { t.printf("  %s %s", t.dim(fmt.Sprintf("%-14s", name)), value) }
	line("certificate", filepath.Join(o.Folder, o.Certificate))
	key := "stays on the device"
	if o.PrivateKey != "" {
		key = filepath.Join(o.Folder, o.PrivateKey)
	}
	line("private key", key)
	line("root CA", o.RootCA)
	line("endpoint", fmt.Sprintf("%s, port %d", o.Endpoint, o.Port))
	line("client ID", o.ClientID)
	line("publishes to", o.Publish+"…")
	line("  or cheaper", o.BasicIngest+"…")
	line("subscribes to", o.Subscribe)
	if len(o.Others) > 0 {
		t.printf("\nThe thing has %s besides, which stay good: %s", count(len(o.Others), "certificate"), strings.Join(o.Others, ", "))
	}
}

func (c *provisionCommand) remove(ctx context.Context, t *terminal, p *provision.Stack, name string) error {
	if err := t.confirm(ctx, c.Yes, "Delete "+name+" and its certificates? The device can't connect any more."); err != nil {
		return err
	}
	r, err := p.Remove(ctx, name)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(r)
	}
	if !r.Found {
		t.printf("%s %s is not known to AWS IoT Core.", t.mark(true), name)
		return nil
	}
	t.printf("%s %s is gone, with %s.", t.mark(true), name, count(len(r.Certificates), "certificate"))
	if len(r.Shared) > 0 {
		t.printf("Other things use %s of it, too, which stay: %s", count(len(r.Shared), "certificate"), strings.Join(r.Shared, ", "))
	}
	t.printf("Its registration stays; to free it for another customer: %s devices free %s --stack %s", self(), name, c.Stack)
	return nil
}
