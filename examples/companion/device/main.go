// Command device plays a Dash Replenishment device that is set up with a companion app.
//
// It makes the PKCE verifier, and keeps it: the app gets the challenge, and brings back the
// code. With both the device registers itself, and from then on it orders with its key.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

type device struct {
	Model, Serial string
	Restock       string // where the maker's Restock is
	Client        http.Client

	mu       sync.Mutex
	verifier lwa.Secret // of the sign-in under way; zero: none is
	key      string     // "": not registered
	slot     string     // what the button orders
}

func main() {
	d := &device{Client: http.Client{Timeout: 30 * time.Second}}
	flag.StringVar(&d.Model, "model", "ACME-VAC-1", "device model")
	flag.StringVar(&d.Serial, "serial", "SN0004", "serial number")
	flag.StringVar(&d.Restock, "restock", "http://localhost:8080", "where Restock is")
	listen := flag.String("listen", "localhost:9002", "where the app reaches the device")
	flag.Parse()
	if err := d.run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "device:", err)
		os.Exit(1)
	}
}

func (d *device) run(listen string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return err
	}
	// Here the app comes over plain HTTP on one machine. A real device talks to it over a link
	// that only the customer in front of it can have, such as Bluetooth after a button was held.
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pairing", d.begin)
	mux.HandleFunc("POST /pairing", d.finish)
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // until the device is switched off
	fmt.Printf("device %s %s waits for its app on http://%s\n", d.Model, d.Serial, l.Addr())

	button := bufio.NewScanner(os.Stdin)
	for button.Scan() { // every Enter is a press
		if err := d.press(); err != nil {
			fmt.Println("press:", err)
		}
	}
	return button.Err()
}

// Offer is what the app gets to know.
type Offer struct {
	DeviceModel         string `json:"device_model"`
	Serial              string `json:"serial"`
	CodeChallenge       string `json:"code_challenge"`
	CodeChallengeMethod string `json:"code_challenge_method"`
}

// begin makes a verifier, and tells the app its challenge.
func (d *device) begin(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.verifier = lwa.NewVerifier()
	reply(w, http.StatusOK, Offer{d.Model, d.Serial, lwa.Challenge(d.verifier), "S256"})
}

// Answer is what the app brings back from Amazon.
type Answer struct {
	Code        string `json:"code"`
	RedirectURI string `json:"redirect_uri"`
	ClientID    string `json:"client_id"`
}

// finish registers the device with the code that the app brings.
func (d *device) finish(w http.ResponseWriter, r *http.Request) {
	var a Answer
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&a); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "send code, redirect_uri and client_id as JSON"})
		return
	}
	if err := d.register(r.Context(), a); err != nil {
		fmt.Println("not registered:", err)
		reply(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	reply(w, http.StatusOK, map[string]string{"status": "paired"})
}

// register sends the code with the verifier that belongs to it, and no secret. A verifier is
// good for one code; where the answer gets lost, the same request may come again.
func (d *device) register(ctx context.Context, a Answer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.verifier.IsZero() {
		return errors.New("no sign-in is under way; start again in the app")
	}
	body := map[string]string{
		"device_model": d.Model, "serial": d.Serial, "code_verifier": d.verifier.Reveal(),
		"code": a.Code, "redirect_uri": a.RedirectURI, "client_id": a.ClientID,
	}
	d.verifier = lwa.Secret{}
	var registered struct {
		DeviceKey string `json:"device_key"` // keep it where the firmware keeps its secrets
		Slots     []struct {
			Slot       string `json:"slot"`
			Subscribed bool   `json:"subscribed"`
		} `json:"slots"`
	}
	err := d.post(ctx, "/v1/registrations", "", body, &registered)
	for try := 0; try < 3 && errors.Is(err, errNoAnswer); try++ {
		time.Sleep(time.Second << try)
		err = d.post(ctx, "/v1/registrations", "", body, &registered)
	}
	if err != nil {
		return err
	}
	d.key = registered.DeviceKey
	for _, s := range registered.Slots {
		if s.Subscribed {
			d.slot = s.Slot
			break
		}
	}
	fmt.Printf("registered; Enter orders %q\n", d.slot)
	return nil
}

// press asks for a refill, with an ID of its own: sent again, it would order nothing more.
func (d *device) press() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key == "" || d.slot == "" {
		return errors.New("the device is not registered yet, or nothing is subscribed to")
	}
	var result struct {
		Outcome    string `json:"outcome"`
		DetailCode string `json:"detail_code"`
	}
	id := fmt.Sprintf("press-%d", time.Now().UnixNano())
	err := d.post(context.Background(), "/v1/replenish", d.key, map[string]string{"slot": d.slot, "id": id}, &result)
	if err == nil {
		fmt.Println("press:", result.Outcome, result.DetailCode)
	}
	return err
}

// errNoAnswer: the line broke, or Restock is busy. The same request may be sent again.
var errNoAnswer = errors.New("no answer")

// post calls Restock, with a device key unless that is "".
func (d *device) post(ctx context.Context, path, key string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Restock+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := d.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer res.Body.Close()
	text, err = io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s", errNoAnswer, res.Status)
	}
	if res.StatusCode >= 300 {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(text, &problem) // else the status has to do
		return fmt.Errorf("restock answered %d %s: %s", res.StatusCode, problem.Code, problem.Detail)
	}
	return json.Unmarshal(text, answer)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the app has gone
}
