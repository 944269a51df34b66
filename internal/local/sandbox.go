package local

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// exampleName is what a sandbox's customers are shown of its client.
const exampleName = "Example Appliances"

// SandboxOptions are for [OpenSandbox]. Address is required.
type SandboxOptions struct {
	Address string // host and port to listen at
	// Hosts are further names that it may be called by, such as that of a container.
	Hosts []string
	// Data keeps the state in a data file; "": in memory.
	Data string
	// Client is registered; without ID and secret they are made up, once for a data file.
	Client  lwatest.Client
	Clients []lwatest.Client // further ones
}

// Sandbox is a sandbox alone, for people who test other software than Restock.
type Sandbox struct {
	o     SandboxOptions
	l     net.Listener
	store *bolt.Store // nil: in memory
	box   *sandbox.Sandbox
}

// OpenSandbox takes hold of the address and of the data file, if there is one. Nothing is
// answered before Run. The error is one sentence that names the flag and what to do.
func OpenSandbox(ctx context.Context, o SandboxOptions) (*Sandbox, error) {
	s := &Sandbox{o: o}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context) (err error) {
	clock := new(lwatest.Clock)
	client := newClient()
	var kept sandbox.Keep
	if s.o.Data != "" {
		if s.store, _, err = openData(s.o.Data, clock.Now); err != nil {
			return err
		}
		kept = keep{s.store.DB()}
		if client, err = keptClient(s.store.DB()); err != nil {
			return err
		}
	}
	if s.o.Client.ID == "" {
		s.o.Client.ID, s.o.Client.Secret = client.ClientID, client.ClientSecret
	}
	s.o.Client.Name = cmp.Or(s.o.Client.Name, exampleName)
	s.box, err = sandbox.New(sandbox.Options{Clock: clock, Client: s.o.Client, Clients: s.o.Clients, Keep: kept})
	if err != nil {
		return err
	}
	s.l, err = listen(ctx, "--port", "0", s.o.Address)
	return err
}

// URL is where it answers.
func (s *Sandbox) URL() string { return "http://" + reach(s.l) }

// Exposed reports whether other machines can reach it, and play Amazon there.
func (s *Sandbox) Exposed() bool { return !localOnly(s.l) }

// Credentials are those of the client.
func (s *Sandbox) Credentials() credentials.LWA {
	return credentials.LWA{ClientID: s.o.Client.ID, ClientSecret: s.o.Client.Secret}
}

// Run answers until ctx ends, then lets what is under way finish. ready is called once
// it answers.
func (s *Sandbox) Run(ctx context.Context, ready func()) error {
	defer s.close()
	g, running := errgroup.WithContext(ctx)
	serve(running, g, "sandbox", s.l, sandboxServer(s.box, s.o.Address, s.o.Hosts...))
	g.Go(func() error {
		s.tick(running)
		return nil
	})
	ready()
	return g.Wait()
}

// tick lets orders ship and arrive.
func (s *Sandbox) tick(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.box.Tick(); err != nil {
				slog.ErrorContext(ctx, "sandbox could not go on", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Sandbox) close() {
	if s.l != nil {
		_ = s.l.Close() // mostly closed already
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			slog.Error("closing the data file", "error", err)
		}
	}
}
