package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/restock-dev/restock/internal/keyring"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

// KeyUsage counts, by the ID of a key, the registrations in a data file that hold what it
// has sealed. No restock up may have the file open.
func KeyUsage(ctx context.Context, data string) (map[string]int, error) {
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no data file %s: name another with --data", data)
	}
	s, err := bolt.Open(data, bolt.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	used, after := map[string]int{}, ""
	for {
		things, err := s.Things(ctx, after, shownDevices)
		if err != nil || len(things) == 0 {
			return used, err
		}
		for _, name := range things {
			r := &store.Registration{Thing: name}
			if err := s.Get(ctx, r); err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			keyring.Tally(used, r.AccessToken, r.RefreshToken)
		}
		after = things[len(things)-1]
	}
}
