package dynamo

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/restock-dev/restock/internal/store"
)

// Attributes that the store itself knows, and the index.
const (
	attrPK       = "pk"
	attrSK       = "sk"
	attrTTL      = "ttl"
	attrWrite    = "write"
	attrVersion  = "version"
	attrExpires  = "expires_at"
	attrDueShard = "due_shard"
	attrDueAt    = "due_at"
	indexDue     = "due"

	devicePrefix = "D#" // of the pk of a device's records
)

type item = map[string]types.AttributeValue

// encode returns the item of a record at a version.
func encode(rec store.Record, version int64, write string) (item, error) {
	it, err := attributevalue.MarshalMapWithOptions(rec, func(o *attributevalue.EncoderOptions) {
		o.TagKey = "json"
		o.EncodeTime = encodeTime
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(it, func(_ string, v types.AttributeValue) bool {
		_, null := v.(*types.AttributeValueMemberNULL)
		return null
	})
	maps.Copy(it, keyOf(rec))
	it[attrVersion] = integer(version)
	it[attrWrite] = text(write)
	if end := rec.Base().ExpiresAt; !end.IsZero() {
		it[attrTTL] = integer(end.Add(time.Second - time.Nanosecond).Unix()) // not a moment early
	}
	return it, nil
}

// decode fills rec with a stored item and nothing else.
func decode(it item, rec store.Record) error {
	fresh := reflect.New(reflect.TypeOf(rec).Elem())
	err := attributevalue.UnmarshalMapWithOptions(it, fresh.Interface(), func(o *attributevalue.DecoderOptions) {
		o.TagKey = "json"
		o.DecodeTime.N = decodeTime
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", name(rec), err)
	}
	reflect.ValueOf(rec).Elem().Set(fresh.Elem())
	return nil
}

func encodeTime(t time.Time) (types.AttributeValue, error) {
	if t.IsZero() {
		return &types.AttributeValueMemberNULL{Value: true}, nil
	}
	return millis(t), nil
}

func decodeTime(n string) (time.Time, error) {
	ms, err := strconv.ParseInt(n, 10, 64)
	return time.UnixMilli(ms).UTC(), err
}

func millis(t time.Time) types.AttributeValue { return integer(t.UnixMilli()) }

func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// textOf returns a string attribute; "" where there is none.
func textOf(it item, attribute string) string {
	v, ok := it[attribute].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return v.Value
}

// timeOf returns a time attribute in milliseconds.
func timeOf(it item, attribute string) (ms int64, ok bool) {
	v, ok := it[attribute].(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	ms, err := strconv.ParseInt(v.Value, 10, 64)
	return ms, err == nil
}
