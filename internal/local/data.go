package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/grants"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/pkg/lwa"
)

var (
	settingsBucket = []byte("local/settings")
	clientKey      = []byte("sandbox client")
)

// openData opens the data file and the key ring beside it, or makes both. A data file
// without its ring is refused: a new ring could open none of its tokens.
func openData(path string, now func() time.Time) (*bolt.Store, *seal.Ring, error) {
	ring, err := openRing(path, now) // first, so that a data file never lacks one
	if err != nil {
		return nil, nil, err
	}
	s, err := bolt.Open(path, bolt.Options{Now: now})
	if err != nil {
		return nil, nil, err
	}
	return s, ring, nil
}

// openRing opens the key ring beside a data file, or makes it with its directory.
func openRing(path string, now func() time.Time) (*seal.Ring, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the data file: %w; name another file with --data", err)
	}
	if err := checkRing(path, now); err != nil {
		return nil, err
	}
	return seal.LoadFile(RingPath(path))
}

// OpenGrants opens the sign-ins beside a data file, or makes both their file and the key
// ring. A restock up may own the data file meanwhile. It waits for another command that has
// the sign-ins open, until ctx ends.
func OpenGrants(ctx context.Context, data string, now func() time.Time) (*grants.File, error) {
	ring, err := openRing(data, now)
	if err != nil {
		return nil, err
	}
	return grants.Open(ctx, GrantsPath(data), ring, now)
}

// checkRing refuses a data file whose ring is missing. What is at path may also be no data
// file at all, which is another mistake.
func checkRing(path string, now func() time.Time) error {
	_, dataErr := os.Stat(path)
	_, ringErr := os.Stat(RingPath(path))
	if dataErr != nil || !errors.Is(ringErr, fs.ErrNotExist) {
		return nil
	}
	s, err := bolt.Open(path, bolt.Options{Now: now})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	return fmt.Errorf("the key ring %s is missing, without which the tokens in %s can't be opened: "+
		"put it back, or move the data file away to start anew", RingPath(path), path)
}

// keptClient returns the LWA client by which a stack and its sandbox know each
// other: made once, and kept.
func keptClient(db *bbolt.DB) (credentials.LWA, error) {
	var kept struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(settingsBucket)
		if err != nil {
			return err
		}
		if text := b.Get(clientKey); text != nil {
			return json.Unmarshal(text, &kept)
		}
		made := newClient()
		kept.ID, kept.Secret = made.ClientID, made.ClientSecret.Reveal()
		text, err := json.Marshal(kept) //nolint:gosec // G117: the secret of a sandbox, in a file that its owner alone can read
		if err != nil {
			return err
		}
		return b.Put(clientKey, text)
	})
	if err != nil {
		return credentials.LWA{}, fmt.Errorf("reading the sandbox's client: %w", err)
	}
	return credentials.LWA{ClientID: kept.ID, ClientSecret: lwa.NewSecret(kept.Secret)}, nil
}

// newClient makes up an LWA client as Amazon's console does.
func newClient() credentials.LWA {
	return credentials.LWA{
		ClientID:     "amzn1.application-oa2-client." + randomHex(16),
		ClientSecret: lwa.NewSecret("amzn1.oa2-cs.v1." + randomHex(32)),
	}
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

// keep is the sandbox's state in the data file, a bucket for each space.
type keep struct{ db *bbolt.DB }

func keepBucket(space string) []byte { return []byte("sandbox/" + space) }

// Load implements [sandbox.Keep].
func (k keep) Load(space string) (records []sandbox.Record, err error) {
	err = k.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(keepBucket(space))
		if b == nil {
			return nil
		}
		return b.ForEach(func(key, value []byte) error {
			records = append(records, sandbox.Record{Key: string(key), Value: append(json.RawMessage{}, value...)})
			return nil
		})
	})
	return records, err
}

// Save implements [sandbox.Keep].
func (k keep) Save(space string, records []sandbox.Record) error {
	return k.db.Batch(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(keepBucket(space))
		for _, r := range records {
			switch {
			case err != nil:
				return err
			case r.Value == nil:
				err = b.Delete([]byte(r.Key))
			default:
				err = b.Put([]byte(r.Key), r.Value)
			}
		}
		return err
	})
}
