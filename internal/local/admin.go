package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/restock-dev/restock/internal/deadletter"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/metrics"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
)

// Status is how a running stack is doing.
type Status struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	Started   time.Time `json:"started"` // by the real clock
	Data      string    `json:"data"`
	Addresses Addresses `json:"addresses"`
	// Now is what the stack takes for the time; Moved is how far that is from the real one.
	Now   time.Time `json:"now"`
	Moved string    `json:"moved"`

	Connected   int              `json:"connected"`    // devices, over MQTT
	Queue       int              `json:"queue"`        // messages that wait to be handled, or are
	DeadLetters int              `json:"dead_letters"` // messages that were given up
	Dead        []DeadLetter     `json:"dead,omitempty"`
	Counts      []metrics.Sample `json:"counts,omitempty"`
}

// Addresses are where a stack can be reached.
type Addresses struct {
	HTTP     string `json:"http"`              // URL of the pages and the API
	MQTT     string `json:"mqtt"`              // host and port of the broker
	Sandbox  string `json:"sandbox,omitempty"` // URL; "" without a sandbox
	Redirect string `json:"redirect"`          // our redirect URL
}

// Device is a registration as an operator may see it: without tokens and keys.
type Device struct {
	message.Registration
	CustomerID  string    `json:"customer_id"`
	Region      string    `json:"region"`
	ClientID    string    `json:"client_id"`
	HasKey      bool      `json:"has_key"` // a device key was given out
	TokenExpiry time.Time `json:"token_expiry,omitzero"`
	RefreshDue  time.Time `json:"refresh_due,omitzero"`
	Failures    int       `json:"failures"` // refreshes that failed in a row
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	LastActive  time.Time `json:"last_active,omitzero"`
	Connected   *bool     `json:"connected,omitempty"` // nil: it is not known here
}

// administered is what the admin socket shows.
type administered interface {
	Status() Status
	// Devices returns all, or those whose thing name is given.
	Devices(ctx context.Context, thing string) ([]Device, error)
	DeadLetters(queue string, limit int) (deadletter.Box, error)
	PutBack(ctx context.Context, queue string, limit int) (deadletter.Done, error)
	AccessToken(ctx context.Context, thing string) (Access, error)
	SandboxClient(redirectURL string) (SandboxClient, error)
	Free(ctx context.Context, thing string, anyway bool) (ownership.Outcome, error)
}

// adminHandler answers on the admin socket.
func adminHandler(a administered) http.Handler {
	m := new(web.Mux)
	m.Handle("GET /status", web.Func(func(w http.ResponseWriter, _ *http.Request) error {
		return web.WriteJSON(w, http.StatusOK, a.Status())
	}))
	devices := func(w http.ResponseWriter, r *http.Request) error {
		found, err := a.Devices(r.Context(), r.PathValue("thing"))
		if err != nil {
			return err
		}
		return web.WriteJSON(w, http.StatusOK, found)
	}
	m.Handle("GET /devices", web.Func(devices))
	m.Handle("GET /devices/{thing}", web.Func(devices))
	m.Handle("POST /devices/{thing}/free", web.Func(func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("thing")
		if _, err := thing.Parse(name); err != nil {
			return web.New(web.CodeBadField, err.Error())
		}
		o, err := a.Free(r.Context(), name, r.URL.Query().Has("anyway"))
		var amazon *ownership.AmazonError
		if errors.As(err, &amazon) {
			return &web.Problem{Status: http.StatusUnprocessableEntity, Code: web.CodeUnavailable, Detail: err.Error()}
		}
		if err != nil {
			return err
		}
		return web.WriteJSON(w, http.StatusOK, o)
	}))
	deadLetterRoutes(m, a)
	accessRoutes(m, a)
	return web.Wrap(m, web.Options{})
}

// listenAdmin opens the socket of a data file that this process owns. A socket that
// was left behind by a process that was killed is replaced: the lock on the file says
// that there is no other.
func listenAdmin(ctx context.Context, data string) (net.Listener, error) {
	path, err := socketPath(data)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s is in the way of the admin socket: move it, or name another file with --data", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replacing the admin socket: %w", err)
	}
	var l net.Listener
	private(func() { l, err = new(net.ListenConfig).Listen(ctx, "unix", path) }) // nobody gets in before the Chmod
	if err != nil {
		return nil, fmt.Errorf("opening the admin socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("protecting the admin socket: %w", err)
	}
	return l, nil
}
