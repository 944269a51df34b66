package bolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"time"

	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/store"
)

// head is what the store itself reads of a record.
type head struct {
	store.Meta
	DueShard string    `json:"due_shard"`
	DueAt    time.Time `json:"due_at"`
}

func headOf(rec store.Record) *head {
	h := &head{Meta: *rec.Base()}
	if r, ok := rec.(*store.Registration); ok {
		h.DueShard, h.DueAt = r.DueShard, r.DueAt
	}
	return h
}

// stored returns what is under key, expired or not; nil where there is nothing.
func stored(tx *bbolt.Tx, key []byte) (*head, []byte, error) {
	value := tx.Bucket(bucketRecords).Get(key)
	if value == nil {
		return nil, nil, nil
	}
	text, err := verify(key, value)
	if err != nil {
		return nil, nil, err
	}
	h := new(head)
	if err := json.Unmarshal(text, h); err != nil {
		return nil, nil, fmt.Errorf("a stored record can't be read: %w", err)
	}
	return h, text, nil
}

// encode returns what is stored for a record at a version.
func encode(key []byte, rec store.Record, version int64) ([]byte, error) {
	base := rec.Base()
	read := base.Version
	base.Version = version
	text, err := json.Marshal(rec)
	base.Version = read
	if err != nil {
		return nil, err
	}
	return protect(key, text), nil
}

// decode fills rec with a stored record and nothing else.
func decode(text []byte, rec store.Record) error {
	fresh := reflect.New(reflect.TypeOf(rec).Elem())
	if err := json.Unmarshal(text, fresh.Interface()); err != nil {
		return fmt.Errorf("reading %s: %w", name(rec), err)
	}
	stamp(fresh.Elem())
	reflect.ValueOf(rec).Elem().Set(fresh.Elem())
	return nil
}

var timeType = reflect.TypeFor[time.Time]()

// stamp cuts all times in a struct to the millisecond, in UTC.
func stamp(v reflect.Value) {
	switch {
	case v.Type() == timeType:
		if t := v.Interface().(time.Time); !t.IsZero() {
			v.Set(reflect.ValueOf(time.UnixMilli(t.UnixMilli()).UTC()))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			stamp(v.Field(i))
		}
	}
}

// The pages of a bbolt file have no checksum, so each entry has its own: CRC-32C of
// key and text, in eight hexadecimal digits that leave the text readable.
const sumSize = 8

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errChanged = errors.New("a stored entry is not what was written")
)

func protect(key, text []byte) []byte {
	return append(fmt.Appendf(make([]byte, 0, sumSize+len(text)), "%0*x", sumSize, checksum(key, text)), text...)
}

// verify returns the text of a value that protect made for key.
func verify(key, value []byte) ([]byte, error) {
	if len(value) < sumSize {
		return nil, errChanged
	}
	text := value[sumSize:]
	if string(value[:sumSize]) != fmt.Sprintf("%0*x", sumSize, checksum(key, text)) {
		return nil, errChanged
	}
	return text, nil
}

func checksum(key, text []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, text)
}
