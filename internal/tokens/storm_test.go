package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Four keepers work on three devices for two days, in the mode where each refresh kills
// the token before, with a store and an LWA that fail now and then. No grant may be lost.
func TestNoGrantIsLostInTrouble(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, srv := newSandbox(t, lwatest.NewOldDies)
				var names []string
				for i := range 3 {
					names = append(names, w.signIn(srv, fmt.Sprintf("SN%04d", i)))
				}
				s := &storm{w: w, srv: srv, rand: rand.New(rand.NewPCG(seed, 1))}
				var keepers []*tokens.Keeper
				for range 4 {
					keepers = append(keepers, w.sandboxed(srv, s.over))
				}
				s.blow(names, keepers)
				s.calm()
				time.Sleep(2 * time.Hour)
				for _, name := range names {
					got, err := keepers[0].AccessToken(t.Context(), w.read(name))
					if g, _ := srv.Lookup(got.Reveal()); err != nil || !g.Alive {
						t.Errorf("seed %d: %s has a token that works: %v, %v", seed, name, g.Alive, err)
					}
				}
				if w.hooks() != 0 {
					t.Errorf("seed %d: %d grants ended, want none", seed, w.hooks())
				}
				if s.worked == 0 || s.failed == 0 {
					t.Errorf("seed %d: %d calls worked and %d failed, want some of both", seed, s.worked, s.failed)
				}
			})
		})
	}
}

// storm is trouble for everybody.
type storm struct {
	w   *world
	srv *lwatest.Server

	mu             sync.Mutex
	rand           *rand.Rand
	calmed         bool
	worked, failed int
}

func (s *storm) chance(percent int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.calmed && s.rand.IntN(100) < percent
}

func (s *storm) pick(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.IntN(n)
}

func (s *storm) calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calmed = true
	s.srv.ClearFaults()
}

// over puts a keeper's store into the storm: writes fail, before or after they are done.
func (s *storm) over(k *tokens.Keeper) {
	k.Store = &view{
		Store: k.Store,
		put: func(r *store.Registration, do func() error) error {
			time.Sleep(time.Duration(s.pick(50)) * time.Millisecond)
			if s.chance(15) {
				return errStoreDown
			}
			version := r.Version
			err := do()
			if err == nil && s.chance(15) {
				r.Version = version
				return []error{errStoreDown, store.ErrConflict}[s.pick(2)]
			}
			return err
		},
		get: func(do func() error) error {
			if s.chance(10) {
				return errStoreDown
			}
			return do()
		},
	}
}

// blow goes on for two days: presses, sweeps, refused tokens, other functions' writes.
func (s *storm) blow(names []string, keepers []*tokens.Keeper) {
	kinds := []lwatest.Kind{lwatest.Slow, lwatest.DropBefore, lwatest.Throttled, lwatest.ServerTrouble, lwatest.Unavailable, lwatest.Hang, lwatest.HTML}
	var wg sync.WaitGroup
	for end := time.Now().Add(48 * time.Hour); time.Now().Before(end); {
		time.Sleep(time.Duration(s.pick(20*60)) * time.Second)
		if s.chance(30) {
			fault(s.w.t, s.srv, kinds[s.pick(len(kinds))])
		}
		for range 1 + s.pick(6) {
			name, k := names[s.pick(len(names))], keepers[s.pick(len(keepers))]
			wg.Go(func() { s.use(name, k) })
		}
	}
	wg.Wait()
}

func (s *storm) use(name string, k *tokens.Keeper) {
	r := s.w.read(name)
	var err error
	switch s.pick(4) {
	case 0:
		err = k.RefreshAhead(context.Background(), name)
	case 1:
		r.LastActive = time.Now()
		_ = s.w.store.Put(context.Background(), r) // a conflict is somebody else's gain
		return
	case 2:
		var token lwa.Secret
		if token, err = k.AccessToken(context.Background(), r); err == nil {
			_, err = k.Renew(context.Background(), r, token)
		}
	default:
		_, err = k.AccessToken(context.Background(), r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.worked++
		return
	}
	s.failed++
	if _, passes := errors.AsType[*tokens.UnavailableError](err); !passes {
		s.w.t.Errorf("error = %v, want one that passes", err)
	}
}
