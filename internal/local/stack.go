// Package local is Restock in one process: the handlers of all functions behind an HTTP
// server, a broker in place of AWS IoT Core, a queue in place of Lambda's, a ticker in
// place of the scheduler, one file in place of DynamoDB, and the sandbox in place of
// Amazon.
package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/refresh"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Where a stack listens unless the configuration says otherwise.
const (
	DefaultHTTP    = "localhost:8080"
	DefaultMQTT    = "localhost:1883"
	DefaultSandbox = "localhost:8081"
)

// Stack is the local process. [Open] makes one, [Stack.Run] runs it.
type Stack struct {
	cfg     config.Config
	version string
	started time.Time

	clock   *lwatest.Clock
	store   *bolt.Store
	ring    *seal.Ring
	metrics *metrics.Memory
	creds   credentials.LWA
	box     *sandbox.Sandbox // nil without a sandbox
	queue   *Queue
	broker  *Broker
	keeper  *tokens.Keeper
	drs     *drs.Client
	refresh *refresh.Handler
	api     http.Handler

	listeners struct{ http, mqtt, sandbox, admin net.Listener }
	moved     chan struct{} // holds one token when the clock was moved

	mu     sync.Mutex
	logins []string // redirect URLs of restock login, which the sandbox knows
}

// Open takes hold of the data file and of all addresses. Nothing is answered before Run.
// The error is one sentence that names the flag and what to do.
func Open(ctx context.Context, cfg *config.Config, version string) (*Stack, error) {
	s := &Stack{
		cfg: *cfg, version: version, started: time.Now(),
		clock: new(lwatest.Clock), metrics: new(metrics.Memory), moved: make(chan struct{}, 1),
	}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Stack) open(ctx context.Context) (err error) {
	if s.cfg.Data == "" {
		if s.cfg.Data, err = DefaultData(); err != nil {
			return err
		}
	}
	if s.store, s.ring, err = openData(s.cfg.Data, s.clock.Now); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	if s.cfg.RedirectURL == "" {
		s.cfg.RedirectURL = "http://" + reach(s.listeners.http) + "/callback"
	}
	if s.creds, err = s.credentials(); err != nil {
		return err
	}
	if s.usesSandbox() {
		if err := s.openSandbox(); err != nil {
			return err
		}
	}
	return s.wire()
}

// usesSandbox is false once both services that it stands in for are named.
func (s *Stack) usesSandbox() bool { return s.cfg.LWAURL == "" || s.cfg.DRSURL == "" }

func (s *Stack) listen(ctx context.Context) (err error) {
	for _, l := range []struct {
		to            *net.Listener
		flag, address string
		standard      string
		wanted        bool
	}{
		{&s.listeners.http, "--http", s.cfg.HTTP, DefaultHTTP, true},
		{&s.listeners.mqtt, "--mqtt", s.cfg.MQTT, DefaultMQTT, true},
		{&s.listeners.sandbox, "--sandbox", s.cfg.Sandbox, DefaultSandbox, s.usesSandbox()},
	} {
		if l.address == "" {
			l.address = l.standard
		}
		if !l.wanted {
			continue
		}
		if *l.to, err = listen(ctx, l.flag, "localhost:0", l.address); err != nil {
			return err
		}
	}
	s.listeners.admin, err = listenAdmin(ctx, s.cfg.Data)
	return err
}

// credentials returns what the configuration names, or else what the sandbox is given
// to know.
func (s *Stack) credentials() (credentials.LWA, error) {
	id, secret := s.cfg.LWAClientID, s.cfg.LWAClientSecret
	switch {
	case id != "" && !secret.IsZero():
		return credentials.LWA{ClientID: id, ClientSecret: secret}, nil
	case id != "":
		return credentials.LWA{}, errors.New("RESTOCK_LWA_CLIENT_SECRET is not set; it must hold the secret of the client ID that is given")
	case !secret.IsZero() || s.cfg.LWAURL != "":
		return credentials.LWA{}, errors.New("RESTOCK_LWA_CLIENT_ID (--client-id) is not set; with its secret or another LWA than the sandbox it must hold the client ID of the LWA security profile")
	}
	return keptClient(s.store.DB())
}

func (s *Stack) openSandbox() (err error) {
	var public []lwatest.Client // companion apps, which have no secret
	for _, id := range s.cfg.PublicClients {
		public = append(public, lwatest.Client{ID: id, RedirectURLs: []string{s.cfg.RedirectURL}, Origins: s.cfg.AllowedOrigins})
	}
	s.box, err = sandbox.New(sandbox.Options{
		Clock: s.clock, Client: s.sandboxClient(), Clients: public, Keep: keep{s.store.DB()}, Notify: s.notified,
		Moved: func() {
			s.queue.Wake()
			select {
			case s.moved <- struct{}{}:
			default: // the schedule is about to look anyway
			}
		},
	})
	if err != nil {
		return err
	}
	if !localOnly(s.listeners.sandbox) {
		slog.Warn("other machines can reach the sandbox, and play Amazon there", "address", s.listeners.sandbox.Addr().String())
	}
	return nil
}

// sandboxClient is the stack as its sandbox knows it, with further redirect URLs.
func (s *Stack) sandboxClient(more ...string) lwatest.Client {
	return lwatest.Client{
		ID: s.creds.ClientID, Name: exampleName, Secret: s.creds.ClientSecret, RedirectURLs: append([]string{s.cfg.RedirectURL}, more...),
		Origins: s.cfg.AllowedOrigins,
	}
}

func (s *Stack) sandboxURL() string {
	if s.listeners.sandbox == nil {
		return ""
	}
	return "http://" + reach(s.listeners.sandbox)
}

// Trusted reports whether MQTT connections from this machine need no device key.
func (s *Stack) Trusted() bool { return s.cfg.MQTTTrustLocal && localOnly(s.listeners.mqtt) }

// Run answers until ctx ends, then lets what is under way finish. ready is called once
// everything answers. The error is that of a part that ended by itself.
func (s *Stack) Run(ctx context.Context, ready func()) error {
	defer s.close()
	stopped, stop := context.WithCancel(ctx)
	defer stop()
	g, running := errgroup.WithContext(stopped)

	if s.box != nil {
		serve(running, g, "sandbox", s.listeners.sandbox, sandboxServer(s.box, s.cfg.Sandbox))
	}
	if err := s.broker.Serve(s.listeners.mqtt); err != nil {
		return err
	}
	serve(running, g, "http", s.listeners.http, apiServer(s.api))
	serve(running, g, "admin", s.listeners.admin, apiServer(adminHandler(s)))
	g.Go(func() error {
		s.queue.Run(running)
		return nil
	})
	g.Go(func() error {
		s.schedule(running)
		return nil
	})
	g.Go(func() error { // devices first: what they still send is stored, not handled
		<-running.Done()
		return s.broker.Close()
	})
	ready()
	return g.Wait()
}

func (s *Stack) close() {
	for _, l := range []net.Listener{s.listeners.http, s.listeners.mqtt, s.listeners.sandbox, s.listeners.admin} {
		if l != nil {
			_ = l.Close() // mostly closed already
		}
	}
	if s.queue != nil {
		s.queue.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			slog.Error("closing the data file", "error", err)
		}
	}
}
