package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restock-dev/restock/docs"
	"github.com/restock-dev/restock/internal/sandbox"
)

// stopTimeout is how long requests under way have to finish.
const stopTimeout = 5 * time.Second

// apiServer bounds what a caller may take of time and memory.
func apiServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}

// showOpenAPI answers with the description of the API. Its type is that of RFC 9512.
func showOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(docs.OpenAPI) // the client has gone
}

// sandboxServer serves a sandbox, which may be called by the host of the address that it
// was told to listen at, and by further names. It has no limit for answers: to be slow is
// one of the sandbox's faults.
func sandboxServer(box *sandbox.Sandbox, address string, hosts ...string) *http.Server {
	if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	server := apiServer(box.Handler(hosts...))
	server.WriteTimeout = 0
	return server
}

// serve answers at l until ctx ends, and then lets requests finish.
func serve(ctx context.Context, g *errgroup.Group, name string, l net.Listener, server *http.Server) {
	var spare newConns
	server.ConnState = spare.note
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", name, err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		spare.close()
		if err := server.Shutdown(ending); err != nil {
			_ = server.Close() // what is slow on purpose does not hold us up
		}
		return nil
	})
}

// newConns are connections on which nothing was asked yet, as browsers open them to
// have them ready. Shutdown would wait for their first request.
type newConns struct {
	mu  sync.Mutex
	all map[net.Conn]bool // nil: none
}

func (n *newConns) note(c net.Conn, state http.ConnState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if state != http.StateNew {
		delete(n.all, c)
		return
	}
	if n.all == nil {
		n.all = map[net.Conn]bool{}
	}
	n.all[c] = true
}

func (n *newConns) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.all {
		_ = c.Close() // it is not used
	}
}
