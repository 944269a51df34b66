// Command app plays the companion app that sets a device up: it signs the customer in, and
// carries the code to the device.
//
// On a phone, Amazon's SDK for Android or iOS does what signIn does here. The app holds no
// secret, and never sees the verifier, a token or the device key.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
)

type app struct {
	Device    string // where the device is reached
	Authorize string // Amazon's sign-in page
	ClientID  string // the app's own client, which has no secret
	Redirect  string // where the app gets Amazon's answer
	Client    http.Client
}

func main() {
	a := &app{Client: http.Client{Timeout: 30 * time.Second}}
	flag.StringVar(&a.Device, "device", "http://localhost:9002", "where the device is reached")
	flag.StringVar(&a.Authorize, "authorize", "http://localhost:8081/ap/oa", "Amazon's sign-in page; for real: https://www.amazon.com/ap/oa")
	flag.StringVar(&a.ClientID, "client-id", "amzn1.application-oa2-client.companion", "client ID of the app")
	flag.StringVar(&a.Redirect, "redirect", "http://localhost:9001/", "an Allowed Return URL of the client")
	flag.Parse()
	if err := a.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
	fmt.Println("the device is paired")
}

func (a *app) run(ctx context.Context) error {
	var offer struct {
		DeviceModel   string `json:"device_model"`
		Serial        string `json:"serial"`
		CodeChallenge string `json:"code_challenge"`
	}
	if err := a.call(ctx, http.MethodGet, nil, &offer); err != nil {
		return fmt.Errorf("asking the device: %w", err)
	}
	state := lwa.NewState() // whoever can't know it can't pass a code of theirs off on us
	amazon := lwa.NA.Endpoint()
	amazon.AuthorizeURL = a.Authorize
	client := lwa.Client{ClientID: a.ClientID, RedirectURL: a.Redirect, Endpoint: amazon}
	page, err := client.AuthCodeURL(lwa.AuthRequest{
		State: state, CodeChallenge: offer.CodeChallenge, Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{"dash:replenish": map[string]string{"device_model": offer.DeviceModel, "serial": offer.Serial}},
	})
	if err != nil {
		return err
	}
	// The customer hears of the outcome in the browser, once the device has it.
	return a.signIn(ctx, page, state, func(code string) error {
		answer := map[string]string{"code": code, "redirect_uri": a.Redirect, "client_id": a.ClientID}
		if err := a.call(ctx, http.MethodPost, answer, nil); err != nil {
			return fmt.Errorf("handing the code to the device: %w", err)
		}
		return nil
	})
}

// signIn has the customer open Amazon's page, and takes the answer.
func (a *app) signIn(ctx context.Context, page, state string, take func(code string) error) error {
	at, err := url.Parse(a.Redirect)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", at.Host)
	if err != nil {
		return err
	}
	handler, done := receive(cmp.Or(at.Path, "/"), state, take)
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // until Shutdown
	fmt.Printf("open this link to sign in: %s\n", page)
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(10 * time.Minute):
		err = errors.New("nobody has signed in")
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if server.Shutdown(ending) != nil { // the browser gets its page first
		_ = server.Close()
	}
	return err
}

// receive answers at path, and says once what became of the sign-in. A code works once, so
// where a browser comes again, as on a reload, it is told the same and nothing is done.
func receive(path, state string, take func(code string) error) (http.Handler, <-chan error) {
	done := make(chan error, 1)
	var once sync.Once
	var failed error
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.URL.Path != path || r.Method != http.MethodGet:
			http.NotFound(w, r)
			return
		case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1:
			show(w, http.StatusBadRequest, "This is not the sign-in that the app has begun.")
			return
		}
		once.Do(func() {
			failed = outcome(q, take)
			done <- failed
		})
		if failed != nil {
			show(w, http.StatusBadGateway, "The device could not be connected. Please start again in the app.")
			return
		}
		show(w, http.StatusOK, "Your device is connected.")
	}), done
}

func outcome(q url.Values, take func(code string) error) error {
	if q.Get("error") != "" {
		return fmt.Errorf("the sign-in ended with %q", q.Get("error"))
	}
	return take(q.Get("code"))
}

// call talks to the device.
func (a *app) call(ctx context.Context, method string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Device+"/pairing", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.Client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err = io.ReadAll(io.LimitReader(res.Body, 16<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the device answered %d: %s", res.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func show(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address holds the code
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%[1]s</title><link rel="icon" href="data:,"><style>:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui }</style></head>
<body><main><h1>%[1]s</h1><p>You can close this page.</p></main></body></html>
`, text) // the browser has gone
}
