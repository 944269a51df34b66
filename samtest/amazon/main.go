// Command amazon is the sandbox in a container of the test stack. Beside what the sandbox
// serves it has what a test needs to begin each event from nothing:
//
//	POST /control/reset          empty, with the LWA client in the body
//	POST /control/seed           adds records to what Login with Amazon knows
//	GET  /control/notifications  what DRS published to its topic since the last reset
//
// It is for tests: whoever reaches it may steer it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
	"github.com/restock-dev/restock/samtest/stack"
)

const maxBody = 1 << 20 // bytes

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "amazon:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", ":8080", "address to listen on")
	names := flag.String("names", "", "host names that it is called by, separated by commas")
	flag.Parse()
	a := &amazon{names: strings.Split(*names, ",")}
	if err := a.reset(stack.Client{ID: "nobody", RedirectURLs: []string{"https://nobody.invalid/"}}); err != nil {
		return err
	}
	go a.tick()
	server := &http.Server{Addr: *listen, Handler: a, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// amazon is the sandbox of the moment.
type amazon struct {
	names []string

	mu            sync.Mutex
	box           *sandbox.Sandbox
	handler       http.Handler
	notifications []stack.Notification
}

func (a *amazon) now() (*sandbox.Sandbox, http.Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.box, a.handler
}

func (a *amazon) reset(c stack.Client) error {
	box, err := sandbox.New(sandbox.Options{
		Client: lwatest.Client{ID: c.ID, Name: "Restock", Secret: lwa.NewSecret(c.Secret), RedirectURLs: c.RedirectURLs},
		Keep:   eventtest.Forget{}, Notify: a.notify,
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.box, a.handler, a.notifications = box, box.Handler(a.names...), []stack.Notification{}
	return nil
}

func (a *amazon) notify(body []byte, attributes map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notifications = append(a.notifications, stack.Notification{Message: string(body), Attributes: attributes})
}

// tick lets orders ship and arrive.
func (a *amazon) tick() {
	for range time.Tick(time.Second) {
		box, _ := a.now()
		if err := box.Tick(); err != nil {
			fmt.Fprintln(os.Stderr, "amazon:", err)
		}
	}
}

// ServeHTTP implements [http.Handler].
func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	box, handler := a.now()
	switch r.Method + " " + r.URL.Path {
	case "POST /control/reset":
		control(w, r, a.reset)
	case "POST /control/seed":
		control(w, r, func(records []lwatest.Record) error { return eventtest.Here{Sandbox: box}.Seed(r.Context(), records) })
	case "GET /control/notifications":
		a.mu.Lock()
		defer a.mu.Unlock()
		_ = json.NewEncoder(w).Encode(a.notifications) // the caller may have gone
	default:
		handler.ServeHTTP(w, r)
	}
}

// control reads a T and does something with it.
func control[T any](w http.ResponseWriter, r *http.Request, do func(T) error) {
	var in T
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in)
	if err == nil {
		err = do(in)
	}
	if err != nil {
		http.Error(w, "amazon: "+err.Error(), http.StatusBadRequest)
	}
}
