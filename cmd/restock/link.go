package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/restock-dev/restock/internal/message"
)

// link is a device's MQTT connection. It comes back by itself when it is lost, and
// hears everything that is sent to the thing.
type link struct {
	client paho.Client
	broker string
	thing  string
	heard  chan heard
}

// heard is a message to the device, or a change of the connection.
type heard struct {
	event   string // message.Event…, or linkUp, linkDown
	payload []byte
}

const (
	linkUp   = "link up"
	linkDown = "link down"
)

// heardAtOnce is how many messages may wait to be printed.
const heardAtOnce = 100

const (
	connectTimeout = 10 * time.Second
	reconnectDelay = 500 * time.Millisecond
)

// connect connects as a thing. key proves it, "" leaves that to a broker that trusts
// this machine. stay keeps the session at the broker while the connection is lost.
func connect(ctx context.Context, broker, thing, key string, stay bool) (*link, error) {
	l := &link{broker: broker, thing: thing, heard: make(chan heard, heardAtOnce)}
	o := paho.NewClientOptions().AddBroker(broker).SetClientID(thing).
		SetCleanSession(!stay).SetKeepAlive(30 * time.Second).SetConnectTimeout(connectTimeout).
		SetAutoReconnect(true).SetMaxReconnectInterval(5 * time.Second).SetOrderMatters(true).
		SetAutoAckDisabled(true).SetDefaultPublishHandler(l.hear).
		SetOnConnectHandler(l.subscribe).
		SetConnectionLostHandler(func(paho.Client, error) { l.tell(heard{event: linkDown}) })
	if stay { // whoever took the connection over, such as restock press, has a moment
		o.SetReconnectingHandler(func(paho.Client, *paho.ClientOptions) { time.Sleep(reconnectDelay) })
	}
	if key != "" {
		o.SetUsername(thing).SetPassword(key)
	}
	l.client = paho.NewClient(o)
	if err := wait(ctx, l.client.Connect()); err != nil {
		l.client.Disconnect(0)
		return nil, l.refused(ctx, key, err)
	}
	return l, nil
}

func (l *link) refused(ctx context.Context, key string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, packets.ErrorRefusedNotAuthorised), errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		if key == "" {
			return fmt.Errorf("the broker at %s wants a device key; put it into RESTOCK_DEVICE_KEY", l.broker)
		}
		return fmt.Errorf("the broker at %s does not take this device key", l.broker)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Errorf("the broker at %s takes no device called %s", l.broker, l.thing)
	}
	return fmt.Errorf("no MQTT broker answers at %s (%s); start one with: restock up", l.broker, strings.TrimPrefix(err.Error(), "network Error : "))
}

// subscribe runs at every connection: a broker that was killed knows nothing any more.
func (l *link) subscribe(c paho.Client) {
	t := c.Subscribe(message.Down(l.thing, "#"), 1, l.hear)
	go func() {
		if t.WaitTimeout(connectTimeout) && t.Error() == nil {
			l.tell(heard{event: linkUp})
		}
	}()
}

// hear acknowledges a message before it passes it on: whoever gets it may close the
// connection at once, and the broker would keep it for the next one.
func (l *link) hear(_ paho.Client, m paho.Message) {
	m.Ack()
	if owner, event, ok := message.ParseDown(m.Topic()); ok && owner == l.thing {
		l.tell(heard{event, m.Payload()})
	}
}

// tell passes a message on. One that nobody takes is dropped: to wait would stop the
// connection.
func (l *link) tell(h heard) {
	select {
	case l.heard <- h:
	default:
	}
}

// send publishes at QoS 1. It does not wait: what the connection loses on the way is
// sent again when it is back, or by whoever hears of that.
func (l *link) send(action string, payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	l.client.Publish(message.Up(l.thing, action), 1, false, text)
	return nil
}

func (l *link) close() { l.client.Disconnect(250) }

func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
