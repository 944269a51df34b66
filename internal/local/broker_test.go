package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

const (
	vac   = "ACME-VAC-1::SN0001"
	other = "ACME-VAC-1::SN0002"
)

type brokerUnderTest struct {
	*local.Broker
	url      string
	records  *records
	counts   *counts
	accepted chan message.RuleEvent
	refuse   atomic.Bool // Accept fails
}

func newBroker(t *testing.T, trust bool) *brokerUnderTest {
	t.Helper()
	b := &brokerUnderTest{records: &records{}, counts: &counts{}, accepted: make(chan message.RuleEvent, 10)}
	b.Broker = &local.Broker{
		Store: b.records, Metrics: b.counts, TrustLocal: trust,
		Accept: func(_ context.Context, e message.RuleEvent) error {
			if b.refuse.Load() {
				return store.ErrUnavailable
			}
			e.Data = bytes.Clone(e.Data)
			b.accepted <- e
			return nil
		},
	}
	l := listen(t)
	b.url = "tcp://" + l.Addr().String()
	if err := b.Serve(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

type login struct{ client, user, password string }

func (b *brokerUnderTest) connect(t *testing.T, l login, more ...func(*paho.ClientOptions)) (paho.Client, chan error, error) {
	t.Helper()
	lost := make(chan error, 1)
	o := paho.NewClientOptions().AddBroker(b.url).SetClientID(l.client).SetAutoReconnect(false).
		SetConnectTimeout(patience).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	if l.user != "" {
		o.SetUsername(l.user)
	}
	if l.password != "" {
		o.SetPassword(l.password)
	}
	for _, f := range more {
		f(o)
	}
	c := paho.NewClient(o)
	err := done(c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c, lost, err
}

func (b *brokerUnderTest) mustConnect(t *testing.T, l login, more ...func(*paho.ClientOptions)) (paho.Client, chan error) {
	t.Helper()
	c, lost, err := b.connect(t, l, more...)
	if err != nil {
		t.Fatalf("connecting as %s: %v", l.client, err)
	}
	return c, lost
}

func TestBrokerAdmits(t *testing.T) {
	key, old := devicekey.New(vac), devicekey.New(vac)
	asleep := devicekey.New(vac)
	for _, c := range []struct {
		name  string
		login login
		trust bool
		ok    bool
	}{
		{"trusted without key", login{vac, "", ""}, true, true},
		{"unregistered thing", login{other, "", ""}, true, true},
		{"without key, not trusted", login{vac, "", ""}, false, false},
		{"with key", login{vac, vac, key}, false, true},
		{"with key, trusted", login{vac, vac, key}, true, true},
		{"a replaced key", login{vac, vac, old}, true, false},
		{"a key whose pairing is not finished", login{vac, vac, asleep}, true, false},
		{"a key of another thing", login{other, other, key}, true, false},
		{"another thing's user name", login{vac, other, key}, true, false},
		{"no key, but a user name", login{vac, vac, ""}, true, false},
		{"no device key at all", login{vac, vac, "hunter2"}, true, false},
		{"no thing", login{"sensor-7", "", ""}, true, false},
		{"a thing with a raw plus", login{"A+::1", "", ""}, true, false},
		{"no client ID", login{"", "", ""}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroker(t, c.trust)
			b.records.put(&store.Registration{Thing: vac, Status: store.Active, KeyHash: devicekey.Hash(key)})
			b.records.put(&store.Pairing{ID: devicekey.PairingID(asleep), Thing: vac, KeyHash: devicekey.Hash(asleep), Status: store.PairingWaiting})
			_, _, err := b.connect(t, c.login)
			if (err == nil) != c.ok {
				t.Errorf("connecting = %v, want success %v", err, c.ok)
			}
			if refused := b.counts.of("MQTTRefused") > 0; refused == c.ok {
				t.Errorf("MQTTRefused counted: %v, want %v", refused, !c.ok)
			}
		})
	}
}

func TestBrokerPublishPolicy(t *testing.T) {
	for _, c := range []struct {
		topic  string
		action string // "" is refused
	}{
		{"dash/v1/up/" + vac + "/replenish", "replenish"},
		{"dash/v1/up/" + vac + "/anything", "anything"},
		{"$aws/rules/restock_up/dash/v1/up/" + vac + "/replenish", "replenish"},
		{"$aws/rules/a/b/dash/v1/up/" + vac + "/replenish", ""},
		{"dash/v1/up/" + other + "/replenish", ""},
		{"$aws/rules/restock_up/dash/v1/up/" + other + "/replenish", ""},
		{"dash/v1/up/" + vac + "/replenish/now", ""},
		{"dash/v1/up/" + vac + "/", ""},
		{"dash/v1/up/" + vac, ""},
		{"dash/v1/down/" + vac + "/result", ""},
		{"dash/v1/down/" + other + "/result", ""},
		{"elsewhere", ""},
	} {
		for _, qos := range []byte{0, 1} {
			t.Run(strings.ReplaceAll(c.topic, "/", "|"), func(t *testing.T) {
				b := newBroker(t, true)
				client, lost := b.mustConnect(t, login{client: vac})
				published := client.Publish(c.topic, qos, false, "{}")
				if c.action == "" {
					_ = receive(t, "the connection to be closed", lost)
					if len(b.accepted) > 0 {
						t.Errorf("accepted %+v", <-b.accepted)
					}
					return
				}
				if err := done(published); err != nil {
					t.Fatal(err)
				}
				e := receive(t, "the message", b.accepted)
				if e.Thing != vac || e.ClientID != vac || e.Action != c.action || string(e.Data) != "{}" || len(e.TraceID) != 36 || e.ReceivedAt == 0 {
					t.Errorf("accepted %+v", e)
				}
			})
		}
	}
}

func TestBrokerRefusesPublish(t *testing.T) {
	for _, c := range []struct {
		name string
		send func(paho.Client) paho.Token
	}{
		{"QoS 2", func(c paho.Client) paho.Token { return c.Publish(message.Up(vac, "replenish"), 2, false, "{}") }},
		{"retained", func(c paho.Client) paho.Token { return c.Publish(message.Up(vac, "replenish"), 1, true, "{}") }},
		{"too large", func(c paho.Client) paho.Token {
			return c.Publish(message.Up(vac, "replenish"), 1, false, make([]byte, 128<<10+1)) // AWS IoT's limit
		}},
		{"far too large", func(c paho.Client) paho.Token {
			return c.Publish(message.Up(vac, "replenish"), 1, false, make([]byte, 4*message.MaxPayload))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroker(t, true)
			client, lost := b.mustConnect(t, login{client: vac})
			c.send(client)
			_ = receive(t, "the connection to be closed", lost)
			if len(b.accepted) > 0 {
				t.Errorf("accepted %+v", <-b.accepted)
			}
		})
	}
	for name, size := range map[string]int{"the handler's largest": message.MaxPayload, "the broker's largest": 128 << 10} {
		t.Run(name+" is taken", func(t *testing.T) {
			b := newBroker(t, true)
			client, _ := b.mustConnect(t, login{client: vac})
			if err := done(client.Publish(message.Up(vac, "replenish"), 1, false, make([]byte, size))); err != nil {
				t.Fatal(err)
			}
			// of one that is too large for the handler, what shows that
			if e := receive(t, "the message", b.accepted); len(e.Data) != min(size, message.MaxPayload+1) {
				t.Errorf("accepted %d bytes of %d", len(e.Data), size)
			}
		})
	}
}

func TestBrokerSubscriptionPolicy(t *testing.T) {
	for filter, ok := range map[string]bool{
		"dash/v1/down/" + vac + "/result":          true,
		"dash/v1/down/" + vac + "/+":               true,
		"dash/v1/down/" + vac + "/#":               true,
		"dash/v1/down/" + vac:                      false,
		"dash/v1/down/" + other + "/result":        false,
		"dash/v1/down/+/result":                    false,
		"dash/v1/down/#":                           false,
		"dash/v1/up/" + vac + "/replenish":         false,
		"$share/g/dash/v1/down/" + vac + "/result": false,
		"$SYS/#":                           false,
		"#":                                false,
		"+/v1/down/" + vac + "/result":     false,
		"dash/v1/down/" + vac + "2/result": false,
		"dash/v1/down/" + vac[:len(vac)-1] + "+/#":   false,
		"dash/v1/down/" + strings.ToLower(vac) + "#": false,
	} {
		t.Run(strings.ReplaceAll(filter, "/", "|"), func(t *testing.T) {
			b := newBroker(t, true)
			client, _ := b.mustConnect(t, login{client: vac})
			heard := make(chan paho.Message, 1)
			tok := client.Subscribe(filter, 1, func(_ paho.Client, m paho.Message) { heard <- m }).(*paho.SubscribeToken)
			err := done(tok)
			granted := err == nil
			for _, code := range tok.Result() { // paho keeps a shared filter under another name
				granted = granted && code <= 1
			}
			if granted != ok {
				t.Fatalf("subscribing = %v, %v; want granted %v", err, tok.Result(), ok)
			}
			if err := b.Publish(t.Context(), vac, message.EventResult, message.Result{ID: "1"}); err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			m := receive(t, "the result", heard)
			var r message.Result
			if err := json.Unmarshal(m.Payload(), &r); err != nil || r.ID != "1" || m.Qos() != 1 || m.Retained() {
				t.Errorf("heard %s at QoS %d, retained %v", m.Payload(), m.Qos(), m.Retained())
			}
		})
	}
}

func TestBrokerWill(t *testing.T) {
	b := newBroker(t, true)
	if _, _, err := b.connect(t, login{client: vac}, func(o *paho.ClientOptions) {
		o.SetWill(message.Down(other, "result"), "forged", 1, false)
	}); err == nil {
		t.Error("a will for another thing's topic was taken")
	}
	var conn net.Conn
	b.mustConnect(t, login{client: vac}, func(o *paho.ClientOptions) {
		o.SetWill(message.Up(vac, "device-status"), "{}", 1, false)
		o.SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (_ net.Conn, err error) {
			conn, err = net.Dial("tcp", u.Host)
			return conn, err
		})
	})
	_ = conn.Close() // gone without a word
	if e := receive(t, "the will", b.accepted); e.Action != message.ActionDeviceStatus || e.Thing != vac {
		t.Errorf("the will became %+v", e)
	}
}

// A press is acknowledged only once it is stored; else the device is cut off, and sends
// it again when it is back.
func TestBrokerAcknowledgesWhatIsStored(t *testing.T) {
	b := newBroker(t, true)
	b.refuse.Store(true)
	keep := func(o *paho.ClientOptions) { o.SetCleanSession(false) }
	client, lost := b.mustConnect(t, login{client: vac}, keep)
	published := client.Publish(message.Up(vac, "replenish"), 1, false, "{}")
	_ = receive(t, "the connection to be closed", lost)
	select { // before it connects again: paho then ends the token of what it sends again
	case <-published.Done():
		if published.Error() == nil {
			t.Fatal("the message was acknowledged and not stored")
		}
	default:
	}
	b.refuse.Store(false)
	if err := done(client.Connect()); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, "the message", b.accepted); e.Thing != vac {
		t.Errorf("accepted %+v", e)
	}
}

func TestBrokerTakesOver(t *testing.T) {
	b := newBroker(t, true)
	heard := make(chan string, 10)
	for range 5 {
		var first chan error
		_, first = b.mustConnect(t, login{client: vac})
		second, _ := b.mustConnect(t, login{client: vac})
		_ = receive(t, "the older connection to be closed", first)
		err := done(second.Subscribe(message.Down(vac, "#"), 1, func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) }))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), vac, message.EventOrder, "x"); err != nil {
			t.Fatal(err)
		}
		receive(t, "an order on the newer connection", heard)
		second.Disconnect(0)
		until(t, "the broker to forget it", func() bool { return b.Connected() == 0 })
	}
}

func TestBrokerSessionWaits(t *testing.T) {
	b := newBroker(t, true)
	key := devicekey.New(vac)
	b.records.put(&store.Registration{Thing: vac, KeyHash: devicekey.Hash(key)})
	heard := make(chan string, 1)
	stay := func(o *paho.ClientOptions) {
		o.SetCleanSession(false)
		o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) })
	}
	client, _ := b.mustConnect(t, login{vac, vac, key}, stay)
	if err := done(client.Subscribe(message.Down(vac, "result"), 1, nil)); err != nil {
		t.Fatal(err)
	}
	client.Disconnect(0)
	until(t, "the disconnect", func() bool { return b.Connected() == 0 })
	if err := b.Publish(t.Context(), vac, message.EventResult, "late"); err != nil {
		t.Fatal(err)
	}
	b.mustConnect(t, login{vac, vac, key}, stay)
	if got := receive(t, "what was sent meanwhile", heard); got != `"late"` {
		t.Errorf("heard %s", got)
	}
}

// A newer registration's key ends the connections that an older one proved.
// takingUp runs at the instant at which a device is admitted, and has not yet taken up the
// session that waits for it.
type takingUp struct {
	mqtt.HookBase
	do func()
}

func (h *takingUp) Provides(event byte) bool { return event == mqtt.OnSessionEstablish }

func (h *takingUp) OnSessionEstablish(*mqtt.Client, packets.Packet) { h.do() }

func TestBrokerSessionHearsWhileItIsTakenUp(t *testing.T) {
	b := newBroker(t, true)
	away := func(o *paho.ClientOptions) { o.SetCleanSession(false) }
	c, _ := b.mustConnect(t, login{vac, "", ""}, away)
	if err := done(c.Subscribe("dash/v1/down/"+vac+"/+", 1, nil)); err != nil {
		t.Fatal(err)
	}
	c.Disconnect(0)
	until(t, "the device to be gone", func() bool { return !b.IsConnected(vac) })
	err := b.Watch(&takingUp{do: func() {
		if err := b.Publish(t.Context(), vac, message.EventResult, message.Result{ID: "1"}); err != nil {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan paho.Message, 1)
	b.mustConnect(t, login{vac, "", ""}, away, func(o *paho.ClientOptions) {
		o.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { heard <- m })
	})
	receive(t, "the message of that instant", heard)
	if n := b.counts.of("MQTTRefused"); n > 0 {
		t.Errorf("%v refused, want none", n)
	}
}

func TestBrokerReplacedKey(t *testing.T) {
	b := newBroker(t, true)
	key := devicekey.New(vac)
	b.records.put(&store.Registration{Thing: vac, KeyHash: devicekey.Hash(key)})
	client, lost := b.mustConnect(t, login{vac, vac, key})
	if err := done(client.Subscribe(message.Down(vac, "result"), 1, nil)); err != nil {
		t.Fatal(err)
	}
	b.records.put(&store.Registration{Thing: vac, KeyHash: devicekey.Hash(devicekey.New(vac))})
	if err := b.Publish(t.Context(), vac, message.EventResult, "for the new owner"); err != nil {
		t.Fatal(err)
	}
	_ = receive(t, "the connection to be closed", lost)
}

// Who had a device before must not order with the will of a connection that was left open.
func TestBrokerWillOfAReplacedKey(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *brokerUnderTest, older paho.Client){
		"the older connection publishes": func(_ *testing.T, _ *brokerUnderTest, older paho.Client) {
			older.Publish(message.Up(vac, "device-status"), 1, false, "{}") // for which it is cut off
		},
		"the new one takes over": func(*testing.T, *brokerUnderTest, paho.Client) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t, true)
			was, is := devicekey.New(vac), devicekey.New(vac)
			b.records.put(&store.Registration{Thing: vac, KeyHash: devicekey.Hash(was)})
			older, lost := b.mustConnect(t, login{vac, vac, was}, func(o *paho.ClientOptions) {
				o.SetWill(message.Up(vac, "replenish"), `{"slot":"filter","id":"will"}`, 1, false)
			})
			b.records.put(&store.Registration{Thing: vac, KeyHash: devicekey.Hash(is)})
			end(t, b, older)
			newer, _ := b.mustConnect(t, login{vac, vac, is})
			_ = receive(t, "the older connection to be closed", lost)
			if err := done(newer.Publish(message.Up(vac, "replenish"), 1, false, `{"slot":"filter","id":"press"}`)); err != nil {
				t.Fatal(err)
			}
			if e := receive(t, "the press", b.accepted); string(e.Data) != `{"slot":"filter","id":"press"}` {
				t.Errorf("accepted %s, want nothing before the new owner's press", e.Data)
			}
		})
	}
}

// A will is sent at once, whatever delay MQTT 5 lets a device ask for: later it would come
// in the name, and with the key, of whoever is connected by then.
func TestBrokerWillIsNotDelayed(t *testing.T) {
	b := newBroker(t, true)
	const expiry = 3600 // seconds; the delay is as long
	connect := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: 5,
		Properties: packets.Properties{SessionExpiryInterval: expiry, SessionExpiryIntervalFlag: true},
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), ClientIdentifier: vac, Keepalive: 60, WillFlag: true, WillQos: 1,
			WillTopic: message.Up(vac, "device-status"), WillPayload: []byte("{}"),
			WillProperties: packets.Properties{WillDelayInterval: expiry},
		},
	}
	var text bytes.Buffer
	if err := connect.ConnectEncode(&text); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(text.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		t.Fatalf("reading the CONNACK: %v", err)
	}
	_ = conn.Close() // gone without a word
	if e := receive(t, "the will", b.accepted); e.Action != message.ActionDeviceStatus {
		t.Errorf("the will became %+v", e)
	}
}

func TestBrokerStoreDown(t *testing.T) {
	b := newBroker(t, true)
	b.records.fail = errors.New("disk on fire")
	if _, _, err := b.connect(t, login{vac, vac, devicekey.New(vac)}); err == nil {
		t.Error("a key that could not be checked was taken")
	}
}
