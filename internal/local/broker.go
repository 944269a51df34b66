package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/restock-dev/restock/internal/message"
)

// Limits of the broker. Those that AWS IoT has are AWS IoT's, or smaller.
// Source: docs.aws.amazon.com/general/latest/gr/iot-core.html.
const (
	maxClients       = 2000
	maxPublish       = 128 << 10          // payload; the handler tells a device of one that is too large for it
	maxPacket        = maxPublish + 2<<10 // topic and properties have room
	maxInflight      = 1000               // unacknowledged for one client, also while it is away
	maxWrites        = 256                // waiting for one client's connection
	maxSubscriptions = 50
	sessionSeconds   = 3600
	connectTimeout   = 10 * time.Second
	closeTimeout     = 5 * time.Second
)

// Broker is the local stand-in for AWS IoT Core: the same topics, the same policy, one
// rule. A device speaks MQTT 3.1.1 or 5 with it, at QoS 0 or 1.
type Broker struct {
	// Accept stores what the rule made of a message. The device gets its PUBACK once
	// Accept has returned nil; after an error its connection is closed, so that it
	// connects and sends again.
	Accept func(context.Context, message.RuleEvent) error
	// Store holds the registrations that device keys are checked against.
	Store getter
	// TrustLocal admits connections without device key from this machine.
	TrustLocal bool
	Metrics    counter
	Now        func() time.Time // nil: time.Now

	server   *mqtt.Server
	listener net.Listener
}

// counter counts what happened.
type counter interface {
	Count(name string, n float64, dimensions ...string)
}

// Serve starts to take connections from l and returns. Close stops it.
func (b *Broker) Serve(l net.Listener) error {
	if b.Now == nil {
		b.Now = time.Now
	}
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumClients = maxClients
	limits.MaximumPacketSize = maxPacket
	limits.MaximumInflight = maxInflight
	limits.ReceiveMaximum = 100
	limits.MaximumClientWritesPending = maxWrites
	limits.MaximumSessionExpiryInterval = sessionSeconds
	limits.MaximumQos = 1
	limits.RetainAvailable, limits.SharedSubAvailable = 0, 0
	limits.TopicAliasMaximum = 0 // an alias is resolved after the policy was asked
	b.server = mqtt.New(&mqtt.Options{
		Capabilities:           limits,
		InlineClient:           true,
		Logger:                 slog.New(slog.DiscardHandler), // it logs whole packets; policy and faults are logged by hooks
		SysTopicResendInterval: 24 * 60 * 60,                  // nobody may read them
	})
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	b.listener = bound(l, maxClients+100)
	if err := b.server.AddListener(listeners.NewNet("mqtt", b.listener)); err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	return nil
}

// Publish sends payload as JSON to a thing, at QoS 1. Like AWS IoT it says that the
// broker took it, not that the device did.
func (b *Broker) Publish(_ context.Context, name, event string, payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("publishing to %s: %w", name, err)
	}
	if err := b.server.Publish(message.Down(name, event), text, false, 1); err != nil {
		return fmt.Errorf("publishing to %s: %w", name, err)
	}
	return nil
}

// Connected returns how many devices are connected.
func (b *Broker) Connected() int { return int(atomic.LoadInt64(&b.server.Info.ClientsConnected)) }

// IsConnected reports whether a thing is.
func (b *Broker) IsConnected(name string) bool {
	cl, ok := b.server.Clients.Get(name)
	return ok && !cl.Closed()
}

// Close ends all connections, after what they sent has been accepted or not.
func (b *Broker) Close() error {
	_ = b.listener.Close() // first: the server's own closing must meet no new connection
	closed := make(chan error, 1)
	go func() { closed <- b.server.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTimeout):
		return errors.New("closing the broker: connections did not end")
	}
}

// bound returns a listener that has at most n connections open, gives each
// connectTimeout to say who it is, and survives a passing fault of Accept.
func bound(l net.Listener, n int) net.Listener {
	return &boundListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type boundListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *boundListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(connectTimeout)) // the broker sets its own once it knows the keep-alive
			return &boundConn{Conn: c, release: func() { <-l.slots }}, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		slog.Warn("mqtt connection could not be accepted", "error", err)
		select { // out of file descriptors, most likely
		case <-time.After(50 * time.Millisecond):
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

func (l *boundListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundConn struct {
	net.Conn
	release func()
	once    sync.Once

	// keyHash is that of the device key that the connection was admitted with, "" where it
	// is trusted, nil before. It lies here, not with the thing: a newer connection has its
	// own, for which an older one must not pass, while a session that waits for its device
	// hears on by that of the connection it was left by.
	keyHash atomic.Pointer[string]
}

// admittedWith returns the hash of the device key that a connection was admitted with.
func admittedWith(cl *mqtt.Client) (hash string, known bool) {
	c, ok := cl.Net.Conn.(*boundConn)
	if !ok || c.keyHash.Load() == nil {
		return "", false
	}
	return *c.keyHash.Load(), true
}

func (c *boundConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}
