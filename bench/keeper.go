package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

const (
	keepers     = 8
	callers     = 100
	lwaLatency  = 50 * time.Millisecond
	benchThing  = "ACME-VAC-1::BENCH"
	answerToken = `{"access_token":"Atza|bench-%d","refresh_token":"Atzr|bench","token_type":"bearer","expires_in":3600}`
)

// slowLWA answers every refresh after lwaLatency, once it is revoked with a refusal, and
// counts.
type slowLWA struct {
	*httptest.Server
	calls   atomic.Int64
	revoked atomic.Bool
}

func newSlowLWA() *slowLWA {
	s := new(slowLWA)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.calls.Add(1)
		_, _ = io.Copy(io.Discard, r.Body) // only that it came counts
		time.Sleep(lwaLatency)
		w.Header().Set("Content-Type", "application/json")
		if s.revoked.Load() {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		fmt.Fprintf(w, answerToken, n)
	}))
	return s
}

// oneExpiry measures what 8 × 100 callers wait for when they all find the same token
// expired, and how often LWA is asked: 8 keepers with one store between them, beside
// one x/oauth2 ReuseTokenSource that all 800 share, which no fleet could.
func oneExpiry(ctx context.Context, b *built, rounds int) ([]row, error) {
	wait := row{what: "one expiry, 8 × 100 callers: wait", unit: "ms", peerName: "one shared x/oauth2 ReuseTokenSource"}
	asked := row{what: "one expiry, 8 × 100 callers: LWA calls", unit: "calls", peerName: wait.peerName}
	for i := range rounds {
		server := newSlowLWA()
		err := keeperRound(ctx, filepath.Join(b.dir, fmt.Sprintf("keeper-%d.db", i)), server, &wait.ours)
		asked.ours = append(asked.ours, float64(server.calls.Swap(0)))
		if err == nil {
			err = oauth2Round(ctx, server, &wait.peer)
		}
		asked.peer = append(asked.peer, float64(server.calls.Load()))
		server.Close()
		if err != nil {
			return nil, err
		}
	}
	return []row{asked, wait}, nil
}

func keeperRound(ctx context.Context, path string, server *slowLWA, s *sample) error {
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	fleet, err := fleetOver(ctx, db, server.URL)
	if err != nil {
		return err
	}
	return everyone(s, func(i int) error {
		reg := &store.Registration{Thing: benchThing}
		if err := db.Get(ctx, reg); err != nil {
			return err
		}
		_, err := fleet[i%keepers].AccessToken(ctx, reg)
		return err
	})
}

// fleetOver makes the keepers and the registration whose token has expired.
func fleetOver(ctx context.Context, db *bolt.Store, url string) ([]*tokens.Keeper, error) {
	text, err := seal.Generate()
	if err != nil {
		return nil, err
	}
	ring, err := seal.Parse(text)
	if err != nil {
		return nil, err
	}
	fleet := make([]*tokens.Keeper, keepers)
	for i := range fleet {
		fleet[i] = &tokens.Keeper{
			Store:       db,
			Credentials: credentials.Static(credentials.LWA{ClientID: "bench", ClientSecret: lwa.NewSecret("bench")}),
			Keys:        seal.Static(ring),
			Endpoint:    func(lwa.Region) lwa.Endpoint { return lwa.Endpoint{AuthorizeURL: url + "/ap/oa", APIURL: url} },
		}
	}
	reg := &store.Registration{Thing: benchThing, DeviceModel: "ACME-VAC-1", Serial: "BENCH", Status: store.Active, Region: "na", ClientID: "bench"}
	old := &lwa.Token{AccessToken: lwa.NewSecret("Atza|old"), RefreshToken: lwa.NewSecret("Atzr|old"), Expiry: time.Now().Add(-time.Minute)}
	if err := fleet[0].Seal(ctx, reg, old); err != nil {
		return nil, err
	}
	return fleet, db.Put(ctx, reg)
}

func oauth2Round(ctx context.Context, server *slowLWA, s *sample) error {
	expired := oldToken(-time.Minute)
	shared := oauth2.ReuseTokenSource(expired, configOn(server).TokenSource(ctx, expired))
	return everyone(s, func(int) error {
		_, err := shared.Token()
		return err
	})
}

// everyone lets all callers go at once and adds how long each took.
func everyone(s *sample, call func(i int) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		start = make(chan struct{})
	)
	for i := range keepers * callers {
		wg.Go(func() {
			<-start
			from := time.Now()
			err := call(i)
			mu.Lock()
			defer mu.Unlock()
			s.add(time.Since(from))
			if first == nil {
				first = err
			}
		})
	}
	close(start)
	wg.Wait()
	return first
}
