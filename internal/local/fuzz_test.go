package local_test

import (
	"context"
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
)

// Whatever bytes come, the broker goes on, and nothing that is not the sender's own is
// accepted.
func FuzzBroker(f *testing.F) {
	connect := "\x10\x22\x00\x04MQTT\x04\x02\x00\x3c\x00\x12" + vac + "\x00\x00"
	for _, s := range []string{
		"", connect, connect + "\x30\x05\x00\x03a/b", connect + "\x82\x06\x00\x01\x00\x01#\x00", "\x10\xff\xff\xff\xff", "\xf0\x00",
		"\x10\x0c\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00", "GET / HTTP/1.1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	b := &local.Broker{Store: &records{}, Metrics: &counts{}, TrustLocal: true, Accept: func(_ context.Context, e message.RuleEvent) error {
		if e.Thing != e.ClientID {
			f.Errorf("accepted %+v", e)
		}
		return nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	if err := b.Serve(l); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = b.Close() })
	f.Fuzz(func(t *testing.T, input []byte) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(input) // it may be cut off
		_ = c.Close()
		o := paho.NewClientOptions().AddBroker("tcp://" + l.Addr().String()).SetClientID("FUZZ::" + strings.Repeat("1", 1+len(input)%40)).SetConnectTimeout(patience)
		good := paho.NewClient(o)
		if err := done(good.Connect()); err != nil {
			t.Fatalf("after %q nobody can connect: %v", input, err)
		}
		good.Disconnect(0)
	})
}

// A queue entry of any bytes is refused or handled, and never a crash.
func FuzzQueueEntry(f *testing.F) {
	f.Add([]byte(`{"kind":"press","body":"e30=","stored":"2026-01-08T10:00:00Z","due":"2026-01-08T10:00:00Z"}`))
	f.Add([]byte(`{"kind":"other","due":"9999-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"kind":"other","attempts":-7}`))
	f.Add([]byte(`{"due":0}`))
	f.Add([]byte(``))
	f.Add([]byte(`{"kind":"press","attempts":-9223372036854775808}`))
	db, err := bbolt.Open(filepath.Join(f.TempDir(), "q"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	f.Fuzz(func(t *testing.T, entry []byte) {
		q, err := local.OpenQueue(db, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Close()
		bucket := []byte("local/queue")
		put := func(do func(b *bbolt.Bucket) error) {
			if err := db.Update(func(tx *bbolt.Tx) error { return do(tx.Bucket(bucket)) }); err != nil {
				t.Fatal(err)
			}
		}
		key := binary.BigEndian.AppendUint64(nil, 7)
		put(func(b *bbolt.Bucket) error { return b.Put(key, entry) })
		defer put(func(b *bbolt.Bucket) error { return b.Delete(key) })
		q, err = local.OpenQueue(db, nil, map[string]local.Handler{"press": func(context.Context, local.Job) error { return nil }})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		q.Run(ctx)
		q.Close()
	})
}
