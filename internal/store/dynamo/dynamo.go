// Package dynamo keeps records in one DynamoDB table, for the fleet.
//
// An item has the fields of its record as attributes, under the names of their JSON
// tags, so that an operator can read and search the table, and a new field needs no
// code here. Times are numbers, in milliseconds since 1970, which DynamoDB compares
// and the due index sorts; a zero time is left out. Besides, an item has
//
//	pk, sk   its key
//	ttl      when DynamoDB may remove it: expires_at in seconds, rounded up
//	write    a random name of the write that made it
//
// due_shard and due_at are the key of the index due, which so holds the registrations
// that have both. The table is defined in template.yaml.
//
// Reads are strongly consistent, but for [Store.Due]: an index lags behind, so whoever
// asks it reads each record before acting on it. Nothing scans.
package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/restock-dev/restock/internal/store"
)

// Client is what is used of [dynamodb.Client].
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Store is a [store.Store] in a table. Client and Table are required.
type Store struct {
	Client Client
	Table  string
	Now    func() time.Time // nil: time.Now
}

var _ store.Store = (*Store)(nil)

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, rec store.Record) error {
	item, err := s.item(ctx, rec)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name(rec), err)
	}
	if item == nil || s.expired(item) {
		return store.ErrNotFound
	}
	return decode(item, rec)
}

// item returns what is stored under rec's key, expired or not; nil for nothing.
func (s *Store) item(ctx context.Context, rec store.Record) (item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := s.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.Table, Key: keyOf(rec), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, classify(err)
	}
	return out.Item, nil
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, rec store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	read, write := rec.Base().Version, rand.Text()
	it, err := encode(rec, read+1, write)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name(rec), err)
	}
	var sent attempts
	cond := s.unchanged(read)
	_, err = s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.Table, Item: it, ConditionExpression: &cond.expression,
		ExpressionAttributeNames: cond.names, ExpressionAttributeValues: cond.values,
	}, sent.count)
	err = classify(err)
	if errors.Is(err, store.ErrConflict) && sent.n > 1 {
		err = s.unless(ctx, rec, func(stored item) bool { return textOf(stored, attrWrite) == write })
	}
	if err != nil {
		return failed("writing", rec, err)
	}
	rec.Base().Version = read + 1
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, rec store.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var sent attempts
	cond := s.unchanged(rec.Base().Version)
	_, err := s.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.Table, Key: keyOf(rec), ConditionExpression: &cond.expression,
		ExpressionAttributeNames: cond.names, ExpressionAttributeValues: cond.values,
	}, sent.count)
	err = classify(err)
	if errors.Is(err, store.ErrConflict) && sent.n > 1 {
		err = s.unless(ctx, rec, func(stored item) bool { return stored == nil })
	}
	return failed("deleting", rec, err)
}

// unless says whether a conflict is one. A write whose answer was lost is sent again
// by the SDK, and then stumbles over itself: what is stored tells.
func (s *Store) unless(ctx context.Context, rec store.Record, ours func(stored item) bool) error {
	stored, err := s.item(ctx, rec)
	switch {
	case err != nil:
		return err
	case ours(stored):
		return nil
	default:
		return store.ErrConflict
	}
}

// condition is what a write depends on.
type condition struct {
	expression string
	names      map[string]string
	values     item
}

// unchanged holds while the version that is stored and alive is the one that was read.
func (s *Store) unchanged(read int64) condition {
	c := condition{
		names:  map[string]string{"#expires": attrExpires},
		values: item{":now": millis(s.now())},
	}
	if read == 0 {
		c.names["#pk"] = attrPK
		c.expression = "attribute_not_exists(#pk) OR #expires <= :now"
		return c
	}
	c.names["#version"] = attrVersion
	c.values[":read"] = integer(read)
	c.expression = "#version = :read AND (attribute_not_exists(#expires) OR #expires > :now)"
	return c
}

// Due implements [store.Store]. The index may still name a registration that was
// written a moment ago by where it was.
func (s *Store) Due(ctx context.Context, shard string, before time.Time, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var things []string
	if shard == "" { // DynamoDB would refuse it; nothing is there
		return nil, nil
	}
	pages := dynamodb.NewQueryPaginator(s.Client, &dynamodb.QueryInput{
		TableName: &s.Table, IndexName: aws.String(indexDue),
		KeyConditionExpression:    aws.String("#shard = :shard AND #at <= :before"),
		ExpressionAttributeNames:  map[string]string{"#shard": attrDueShard, "#at": attrDueAt},
		ExpressionAttributeValues: item{":shard": text(shard), ":before": millis(before)},
		Limit:                     aws.Int32(int32(min(limit, maxPage))), //nolint:gosec // G115: at most maxPage
	})
	for len(things) < limit && pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading due registrations: %w", classify(err))
		}
		for _, it := range page.Items {
			if thing, ok := strings.CutPrefix(textOf(it, attrPK), devicePrefix); ok && len(things) < limit {
				things = append(things, thing)
			}
		}
	}
	return things, nil
}

// maxPage is more keys than a page of DynamoDB, 1 MB, usually holds.
const maxPage = 5000

func (s *Store) expired(it item) bool {
	end, ok := timeOf(it, attrExpires)
	return ok && end <= s.now().UnixMilli()
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func failed(doing string, rec store.Record, err error) error {
	if err == nil || errors.Is(err, store.ErrConflict) {
		return err
	}
	return fmt.Errorf("%s %s: %w", doing, name(rec), err)
}

// name is how errors speak of a record: a login's key is not for the log.
func name(rec store.Record) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", rec), "*store."))
}

func keyOf(rec store.Record) item {
	k := rec.Key()
	return item{attrPK: text(k.PK), attrSK: text(k.SK)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
