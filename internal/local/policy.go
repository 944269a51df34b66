package local

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/store"
)

// basicIngest is the prefix under which AWS IoT gives a message to a rule without the
// broker: $aws/rules/<rule name>/<topic>. The rule sees the topic alone.
// Source: docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html.
var basicIngest = regexp.MustCompile(`^\$aws/rules/[A-Za-z0-9_]{1,128}/`)

// upTopic splits a topic that a thing may publish to, the same as the policy of the
// template says: its own, for any action, also by Basic Ingest.
func upTopic(name, topic string) (action string, ok bool) {
	owner, action, ok := message.ParseUp(basicIngest.ReplaceAllString(topic, ""))
	return action, ok && owner == name
}

// mayHear reports whether a thing may subscribe to a filter: anything below its own
// prefix, wildcards too.
func mayHear(name, filter string) bool {
	event, ok := strings.CutPrefix(filter, message.Down(name, ""))
	return ok && event != ""
}

// getter is what the broker needs of the store.
type getter interface {
	Get(ctx context.Context, rec store.Record) error
}

// connection is what someone who connects brings: the user name is the thing, the password
// its device key.
type connection struct {
	thing              string // its client ID
	username, password string
	given              bool // user name or password were sent
	local              bool // from this machine, to a broker that trusts it
}

// admit decides over a connection. It returns the hash of the key that proved it, ""
// for one that is trusted for where it comes from, or an error that says why not.
func admit(ctx context.Context, s getter, c connection) (keyHash string, err error) {
	switch {
	case !c.given && c.local:
		return "", nil
	case !c.given:
		return "", errors.New("user name (the thing) and password (the device key) are needed: " +
			"local connections are trusted only at a loopback address and with --mqtt-trust-local")
	case c.username != c.thing:
		return "", errors.New("the user name must be the thing, as the client ID is")
	}
	r, err := pairing.Authenticate(ctx, s, c.password)
	switch {
	case errors.Is(err, pairing.ErrWrongKey):
		return "", errors.New("the password is not, or not any more, the device key of a thing")
	case errors.Is(err, pairing.ErrNotPairedYet):
		return "", errors.New("the pairing of this device key is not finished yet")
	case err != nil:
		return "", err
	case r.Thing != c.thing:
		return "", errors.New("the password is the device key of another thing")
	}
	return r.KeyHash, nil
}

// stillGood reports whether the key that proved a connection is still the thing's: a
// newer registration ends it. When the store can't say, it is.
func stillGood(ctx context.Context, s getter, name, keyHash string) bool {
	if keyHash == "" {
		return true
	}
	r := &store.Registration{Thing: name}
	if err := s.Get(ctx, r); err != nil {
		return !errors.Is(err, store.ErrNotFound)
	}
	return r.KeyHash == keyHash
}
