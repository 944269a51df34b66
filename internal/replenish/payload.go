package replenish

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/restock-dev/restock/internal/message"
)

// Limits of a press, in bytes. Source: section 4.1 of the design.
const (
	maxSlot = 128
	maxID   = 128
)

const (
	slotRule = "slot must be 1 to 128 bytes of UTF-8 without control characters"
	idRule   = "id must be 1 to 128 printable ASCII characters"
)

func validSlot(s string) bool {
	return s != "" && len(s) <= maxSlot && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func validID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// members reads a payload, one JSON object in UTF-8, member by member: what is wrong with
// one of them should not hide the others. An absent member and null are the same.
func members(payload []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	switch {
	case len(payload) > message.MaxPayload:
		return nil, errors.New("the message is over 64 KiB")
	case !utf8.Valid(payload), json.Unmarshal(payload, &m) != nil, m == nil:
		return nil, errors.New("the message must be one JSON object in UTF-8")
	}
	for name, value := range m {
		if bytes.Equal(value, []byte("null")) {
			delete(m, name)
		}
	}
	return m, nil
}

// text reads a member as text; ok is false for one of another type. Absent is "".
func text(m map[string]json.RawMessage, name string) (s string, ok bool) {
	value, given := m[name]
	if !given {
		return "", true
	}
	return s, json.Unmarshal(value, &s) == nil
}

// readPress reads a replenish. What is valid of it is in p also after an error: its
// sender is told by that. Without an ID of its own a message has the one it is given.
func readPress(thing, given string, payload []byte) (p press, err error) {
	p = press{thing: thing, id: given}
	m, err := members(payload)
	if err != nil {
		return p, err
	}
	slot, isText := text(m, "slot")
	if isText && validSlot(slot) {
		p.slot = slot
	} else {
		err = errors.New(slotRule)
	}
	switch id, isText := text(m, "id"); {
	case isText && validID(id):
		p.id = id
	case !isText || id != "":
		err = errors.Join(err, errors.New(idRule))
	}
	return p, err
}
