package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/message"
)

// warmReplenish measures a press on a running `restock up`, over HTTP and over MQTT,
// beside what it can't do without: two writes that are on disk, and one round trip to
// DRS.
func warmReplenish(ctx context.Context, b *built, rounds int) ([]row, error) {
	up, err := startStack(ctx, b)
	if err != nil {
		return nil, err
	}
	defer up.stop()
	d, err := pair(ctx, up.pages, "ACME-VAC-1", "BENCH1")
	if err != nil {
		return nil, fmt.Errorf("pairing: %w", err)
	}
	presses := 20 * rounds
	peer := "two bbolt commits and one sandbox round trip"
	overHTTP := row{what: "warm replenish over HTTP, bbolt", unit: "ms", peerName: peer}
	overMQTT := row{what: "warm replenish over MQTT, bbolt", unit: "ms", peerName: peer}
	client, results, err := d.connect(up.mqtt)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer client.Disconnect(0)
	floor, err := newFloor(b.dir, up.sandbox)
	if err != nil {
		return nil, err
	}
	defer floor.db.Close()
	for i := range presses {
		if err := d.pressHTTP(ctx, i, &overHTTP.ours); err != nil {
			return nil, err
		}
		if err := d.pressMQTT(ctx, client, results, i, &overMQTT.ours); err != nil {
			return nil, err
		}
		if err := floor.once(ctx, &overHTTP.peer); err != nil {
			return nil, err
		}
	}
	overMQTT.peer = overHTTP.peer
	return []row{overHTTP, overMQTT}, nil
}

// stack is a running `restock up`.
type stack struct {
	cmd                  *exec.Cmd
	pages, mqtt, sandbox string
}

func (s *stack) stop() {
	_ = s.cmd.Process.Kill() // its data goes with the folder
	_ = s.cmd.Wait()
}

func startStack(ctx context.Context, b *built) (*stack, error) {
	s := &stack{}
	var addrs [3]string
	for i := range addrs {
		var err error
		if addrs[i], err = freeAddr(); err != nil {
			return nil, err
		}
	}
	s.pages, s.mqtt, s.sandbox = "http://"+addrs[0], addrs[1], "http://"+addrs[2]
	s.cmd = exec.CommandContext(ctx, b.restock, "up", "--data", filepath.Join(b.dir, "warm.db"),
		"--http", addrs[0], "--mqtt", addrs[1], "--sandbox", addrs[2])
	var ready, memory sample
	var stderr bytes.Buffer
	s.cmd.Stderr = &stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := answer(ctx, s.cmd.Process.Pid, time.Now(), addrs[0], &ready, &memory); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return s, nil
}

func (d *device) pressHTTP(ctx context.Context, i int, s *sample) error {
	var result message.Result
	from := time.Now()
	err := call(ctx, http.DefaultClient, d.pages+"/v1/replenish", d.key, `{"slot":"filter","id":"http-`+strconv.Itoa(i)+`"}`, &result)
	s.add(time.Since(from))
	return errors.Join(err, pressed(result))
}

func (d *device) connect(addr string) (paho.Client, <-chan message.Result, error) {
	results := make(chan message.Result, 16)
	o := paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(d.thing).SetUsername(d.thing).SetPassword(d.key)
	c := paho.NewClient(o)
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		return nil, nil, t.Error()
	}
	t := c.Subscribe(message.Down(d.thing, message.EventResult), 1, func(_ paho.Client, m paho.Message) {
		var r message.Result
		if json.Unmarshal(m.Payload(), &r) == nil {
			results <- r
		}
	})
	t.Wait()
	return c, results, t.Error()
}

func (d *device) pressMQTT(ctx context.Context, c paho.Client, results <-chan message.Result, i int, s *sample) error {
	id := "mqtt-" + strconv.Itoa(i)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	from := time.Now()
	c.Publish(message.Up(d.thing, message.ActionReplenish), 1, false, `{"slot":"filter","id":"`+id+`"}`)
	for {
		select {
		case r := <-results:
			if r.ID == id {
				s.add(time.Since(from))
				return pressed(r)
			}
		case <-ctx.Done():
			return fmt.Errorf("no result of press %s within 10 s", id)
		}
	}
}

func pressed(r message.Result) error {
	if r.Outcome != message.Ordered && r.Outcome != message.InProgress {
		return fmt.Errorf("press %s ended as %q (%s)", r.ID, r.Outcome, r.DetailCode)
	}
	return nil
}

// floor is the least that a press needs: a claim and a result on disk, and DRS between
// them.
type floor struct {
	db      *bbolt.DB
	sandbox string
}

func newFloor(dir, sandbox string) (*floor, error) {
	db, err := bbolt.Open(filepath.Join(dir, "floor.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	return &floor{db, sandbox}, nil
}

func (f *floor) once(ctx context.Context, s *sample) error {
	from := time.Now()
	if err := f.commit(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.sandbox+"/replenish/filter", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if err := errors.Join(res.Body.Close(), f.commit()); err != nil {
		return err
	}
	s.add(time.Since(from))
	return nil
}

func (f *floor) commit() error {
	return f.db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("records"))
		if err != nil {
			return err
		}
		id, err := b.NextSequence()
		if err != nil {
			return err
		}
		return b.Put([]byte(strconv.FormatUint(id, 10)), make([]byte, 500))
	})
}
