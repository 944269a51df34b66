package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/thing"
)

// acceptTimeout bounds how long a device waits for its PUBACK.
const acceptTimeout = 10 * time.Second

// hook is where the broker asks the policy, and where its messages leave it.
type hook struct {
	mqtt.HookBase
	b *Broker
}

func (h *hook) ID() string { return "policy" }

func (h *hook) Provides(event byte) bool {
	switch event {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish,
		mqtt.OnPublishDropped, mqtt.OnWillSent, mqtt.OnSessionEstablished, mqtt.OnDisconnect:
		return true
	}
	return false
}

// OnConnect refuses a client ID that no device key would help.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	if _, err := thing.Parse(pk.Connect.ClientIdentifier); err != nil {
		h.refused(cl, "connection", fmt.Errorf("the client ID must be the thing: %w", err))
		_ = h.b.server.SendConnack(cl, packets.ErrClientIdentifierNotValid, false, nil) // the connection ends either way
		return packets.ErrClientIdentifierNotValid
	}
	return nil
}

// OnConnectAuthenticate answers who is there. A will is as good as a message: it would
// be published without asking the policy again.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	if _, ok := upTopic(cl.ID, pk.Connect.WillTopic); pk.Connect.WillFlag && !ok {
		h.refused(cl, "connection", errors.New("the topic of its will is not the thing's own"))
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
	defer cancel()
	hash, err := admit(ctx, h.b.Store, connection{
		thing:    cl.ID,
		username: string(pk.Connect.Username), password: string(pk.Connect.Password),
		given: pk.Connect.UsernameFlag || pk.Connect.PasswordFlag,
		local: h.b.TrustLocal && isLoopback(cl.Net.Remote),
	})
	if err != nil {
		h.refused(cl, "connection", err)
		return false
	}
	if c, ok := cl.Net.Conn.(*boundConn); ok {
		c.keyHash.Store(&hash)
	}
	// A delayed will would come in the name of whoever is connected by then.
	cl.Properties.Will.WillDelayInterval = 0
	return true
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	slog.Info("device connected", "thing", cl.ID)
}

// OnDisconnect holds back the end of a connection that was taken over until the
// broker has marked it so: else the end would remove its successor.
func (h *hook) OnDisconnect(cl *mqtt.Client, _ error, _ bool) {
	if !errors.Is(cl.StopCause(), packets.ErrSessionTakenOver) {
		slog.Info("device disconnected", "thing", cl.ID)
		return
	}
	slog.Info("device connected again, its older connection was closed", "thing", cl.ID)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if cl.IsTakenOver() {
			return
		}
		<-tick.C
	}
}

// admitted reports whether the key that a connection was admitted with still holds.
func (h *hook) admitted(cl *mqtt.Client) bool {
	hash, known := admittedWith(cl)
	ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
	defer cancel()
	return known && stillGood(ctx, h.b.Store, cl.ID, hash)
}

// OnACLCheck implements the policy, for publishing and for hearing. As on AWS IoT, who
// publishes outside of it is disconnected.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	if !h.admitted(cl) {
		h.refused(cl, "connection", errors.New("its device key was replaced"))
		h.end(cl, packets.ErrNotAuthorized)
		return false
	}
	if write {
		_, ok := upTopic(cl.ID, topic)
		if !ok {
			h.refused(cl, "publish", errors.New("the topic is not the thing's own"))
			h.end(cl, packets.ErrNotAuthorized)
		}
		return ok
	}
	if !mayHear(cl.ID, topic) {
		h.refused(cl, "subscription", errors.New("the topic filter is not below the thing's own"))
		return false
	}
	return true
}

// OnPacketRead ends a connection that asks for what AWS IoT does not have: QoS 2, whose
// handshake would never be answered, or more subscriptions than a device needs.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		if pk.FixedHeader.Qos > 1 {
			h.refused(cl, "publish", errors.New("QoS 2 is not supported, use QoS 1"))
			h.end(cl, packets.ErrQosNotSupported)
			return pk, packets.ErrRejectPacket
		}
	case packets.Subscribe:
		if cl.State.Subscriptions.Len()+len(pk.Filters) > maxSubscriptions {
			h.refused(cl, "subscription", fmt.Errorf("a connection may have %d", maxSubscriptions))
			h.end(cl, packets.ErrQuotaExceeded)
			return pk, packets.ErrRejectPacket
		}
	}
	return pk, nil
}

// OnPublish gives an accepted message to the rule. Returning from it sends the PUBACK.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil // ours, to a device
	}
	var reason error
	code := packets.ErrNotAuthorized
	switch {
	case pk.FixedHeader.Retain:
		reason = errors.New("retained messages are not allowed")
	case len(pk.Payload) > maxPublish:
		reason, code = fmt.Errorf("the payload is over %d bytes", maxPublish), packets.ErrPacketTooLarge
	default:
		if reason = h.accept(cl, pk); reason != nil {
			code = packets.ErrServerUnavailable
		}
	}
	if reason != nil {
		h.refused(cl, "publish", reason)
		h.end(cl, code)
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore // acknowledged, and for no subscriber
}

// OnWillSent gives the will of a device that went without a word to the rule, unless its
// key was replaced while it was connected: the broker does not ask the policy again.
func (h *hook) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	if !h.admitted(cl) {
		h.refused(cl, "will", errors.New("its device key was replaced"))
		return
	}
	if err := h.accept(cl, pk); err != nil {
		h.refused(cl, "will", err)
	}
}

func (h *hook) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	slog.Warn("message dropped, the device does not read", "thing", cl.ID, "topic", pk.TopicName)
	h.b.Metrics.Count("MQTTDropped", 1)
}

// accept makes of a message what the IoT rule does. Of a payload that is too large for
// the handler only so much is stored that it sees that, and tells the device.
func (h *hook) accept(cl *mqtt.Client, pk packets.Packet) error {
	action, ok := upTopic(cl.ID, pk.TopicName)
	if !ok {
		return errors.New("the topic is not the thing's own")
	}
	principal := "trusted-local"
	if hash, _ := admittedWith(cl); hash != "" {
		principal = "device-key"
	}
	ctx, cancel := context.WithTimeout(context.Background(), acceptTimeout)
	defer cancel()
	return h.b.Accept(ctx, message.RuleEvent{
		Data: pk.Payload[:min(len(pk.Payload), message.MaxPayload+1)], Thing: cl.ID, Action: action, ClientID: cl.ID, Principal: principal,
		TraceID: newTraceID(), ReceivedAt: h.b.Now().UnixMilli(),
	})
}

func (h *hook) refused(cl *mqtt.Client, what string, reason error) {
	slog.Warn("mqtt "+what+" refused", "client_id", fmt.Sprintf("%.128s", cl.ID), "remote", cl.Net.Remote, "reason", reason)
	h.b.Metrics.Count("MQTTRefused", 1, "what", what)
}

// end closes a connection. Only MQTT 5 has a packet that says why.
func (h *hook) end(cl *mqtt.Client, code packets.Code) {
	if cl.Properties.ProtocolVersion >= 5 {
		_ = h.b.server.DisconnectClient(cl, code) // it returns code
		return
	}
	cl.Stop(code)
}

// newTraceID makes a trace ID as AWS IoT's are: a random UUID.
func newTraceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
