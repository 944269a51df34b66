package eventtest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// table is the devices' table, as far as the store asks for it: each expression that the
// store makes has its meaning here, and another one is refused. The same tests run on
// DynamoDB Local, where RESTOCK_TEST_DYNAMODB names one.
type table struct {
	mu    sync.Mutex
	items map[string]item
}

// item is an item as DynamoDB's JSON has it.
type item map[string]map[string]any

func (it item) text(name string) string { s, _ := it[name]["S"].(string); return s }

func (it item) number(name string) (n int64, ok bool) {
	s, _ := it[name]["N"].(string)
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func (it item) key() string { return it.text("pk") + " " + it.text("sk") }

// request has what is read of the four calls.
type request struct {
	Key, Item                 item
	ConditionExpression       string
	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
	Limit                     int
}

const (
	refusedCondition  = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`
	unknownExpression = `{"__type":"com.amazon.coral.validate#ValidationException","message":"eventtest knows no such call"}`
)

// conditions are the store's, by their text.
var conditions = map[string]func(stored item, r *request) bool{
	"": func(item, *request) bool { return true },
	"attribute_not_exists(#pk) OR #expires <= :now": func(stored item, r *request) bool {
		return stored == nil || r.expired(stored)
	},
	"#version = :read AND (attribute_not_exists(#expires) OR #expires > :now)": func(stored item, r *request) bool {
		version, ok := stored.number(r.ExpressionAttributeNames["#version"])
		read, _ := r.ExpressionAttributeValues.number(":read")
		return ok && version == read && !r.expired(stored)
	},
}

func (r *request) expired(it item) bool {
	end, ok := it.number(r.ExpressionAttributeNames["#expires"])
	now, _ := r.ExpressionAttributeValues.number(":now")
	return ok && end <= now
}

// answer does what an action of DynamoDB says.
func (t *table) answer(action string, body []byte) (status int, answer []byte) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return 400, []byte(unknownExpression)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	holds, known := conditions[r.ConditionExpression]
	switch action {
	case "GetItem":
		if found := t.items[r.Key.key()]; found != nil {
			return 200, mustJSON(map[string]any{"Item": found})
		}
		return 200, []byte("{}")
	case "Query":
		return t.query(&r)
	case "PutItem", "DeleteItem":
		key := cmpKey(r.Item, r.Key)
		switch {
		case !known:
			return 400, []byte(unknownExpression)
		case !holds(t.items[key], &r):
			return 400, []byte(refusedCondition)
		case action == "DeleteItem":
			delete(t.items, key)
		default:
			t.items[key] = r.Item
		}
		return 200, []byte("{}")
	}
	return 400, []byte(unknownExpression)
}

func cmpKey(written, named item) string {
	if written != nil {
		return written.key()
	}
	return named.key()
}

func (t *table) query(r *request) (int, []byte) {
	if r.KeyConditionExpression != "#shard = :shard AND #at <= :before" {
		return 400, []byte(unknownExpression)
	}
	shard, at := r.ExpressionAttributeNames["#shard"], r.ExpressionAttributeNames["#at"]
	before, _ := r.ExpressionAttributeValues.number(":before")
	due := slices.Collect(maps.Values(t.items))
	due = slices.DeleteFunc(due, func(it item) bool {
		n, ok := it.number(at)
		return !ok || n > before || it.text(shard) != r.ExpressionAttributeValues.text(":shard")
	})
	slices.SortFunc(due, func(a, b item) int {
		x, _ := a.number(at)
		y, _ := b.number(at)
		if x != y {
			return int(x - y)
		}
		return strings.Compare(a.key(), b.key())
	})
	due = due[:min(len(due), max(r.Limit, 0))]
	return 200, mustJSON(map[string]any{"Items": due, "Count": len(due)})
}
