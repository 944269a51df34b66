package main

import (
	"errors"
	"net"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/restock-dev/restock/internal/message"
)

// A broker keeps what is not acknowledged and brings it again, even to a later process.
func TestLinkAcknowledgesBeforeItCloses(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const thing = "ACME-VAC-1::SN0007"
	for range 500 { // what is not in order happens to come in order, mostly
		served := make(chan error, 1)
		go func() { served <- tellOnce(l, message.Down(thing, message.EventResult)) }()
		link, err := connect(t.Context(), "tcp://"+l.Addr().String(), thing, "", true)
		if err != nil {
			t.Fatal(err)
		}
		for h := range link.heard {
			if h.event == message.EventResult {
				break
			}
		}
		link.close()
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	}
}

// tellOnce is a broker for one connection, with one message for whoever subscribes. It
// returns an error unless that is acknowledged before the connection ends.
func tellOnce(l net.Listener, topic string) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for heard := false; ; {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return err
		}
		switch p := p.(type) {
		case *packets.ConnectPacket:
			err = packets.NewControlPacket(packets.Connack).Write(c)
		case *packets.SubscribePacket:
			ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			ack.MessageID, ack.ReturnCodes = p.MessageID, []byte{1}
			m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
			m.Qos, m.MessageID, m.TopicName, m.Payload = 1, 1, topic, []byte("{}")
			err = errors.Join(ack.Write(c), m.Write(c))
		case *packets.PubackPacket:
			heard = true
		case *packets.DisconnectPacket:
			if !heard {
				return errors.New("it disconnected before it acknowledged what it had heard")
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
