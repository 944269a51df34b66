package eventtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
)

var member = regexp.MustCompile(`\$\{(\w+)\}`)

// record returns a stored record as JSON has it, nil for none. A ${x} in the key is
// member x of the body of an HTTP answer.
func (f *Fixtures) record(ctx context.Context, key string, answer []byte) (any, error) {
	key = member.ReplaceAllStringFunc(key, func(m string) string { return memberOf(answer, m[2:len(m)-1]) })
	rec, err := recordOf(key)
	if err != nil {
		return nil, err
	}
	switch err := f.Store.Get(ctx, rec); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	var decoded any
	err = json.Unmarshal(mustJSON(rec), &decoded)
	return decoded, err
}

func memberOf(answer []byte, name string) string {
	var http struct{ Body string }
	var body map[string]any
	if json.Unmarshal(answer, &http) != nil || json.Unmarshal([]byte(http.Body), &body) != nil {
		return ""
	}
	text, _ := body[name].(string) // not text is as good as absent
	return text
}

// recordOf returns an empty record with the key "pk sk".
func recordOf(key string) (store.Record, error) {
	pk, sk, _ := strings.Cut(key, " ")
	kind, id, _ := strings.Cut(pk, "#")
	sub, subID, _ := strings.Cut(sk, "#")
	switch kind + " " + sub {
	case "D REG":
		return &store.Registration{Thing: id}, nil
	case "D MSG":
		return &store.Message{Thing: id, ID: subID}, nil
	case "D ORD":
		return &store.Order{Thing: id, InstanceID: subID}, nil
	case "D NTF":
		return &store.Notification{Thing: id, ID: subID}, nil
	case "L LOGIN":
		return &store.Login{StateHash: id}, nil
	case "P PAIRING":
		return &store.Pairing{ID: id}, nil
	}
	return nil, fmt.Errorf("there are no records under %q", key)
}

// Queued shows a message of the retry queue as expectations have it: with the payload
// read.
func Queued(e message.RuleEvent) (any, error) {
	var payload any
	if err := json.Unmarshal(e.Data, &payload); err != nil {
		return nil, err
	}
	var decoded map[string]any
	if err := json.Unmarshal(mustJSON(e), &decoded); err != nil {
		return nil, err
	}
	decoded["data"] = payload
	return decoded, nil
}
