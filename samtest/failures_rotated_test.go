//go:build sam

package samtest_test

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/restock-dev/restock/internal/eventtest"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/samtest/stack"
)

func rotated(w *trouble) {
	w.must(w.press("1"))
	w.wantOrdered("1")
	old := w.client()
	renewed := old
	renewed.Secret = "amzn1.oa2-cs.v1.rotated"
	w.must(w.Amazon.Reset(w.Context(), renewed))
	w.must(w.Store.Delete(w.Context(), w.registration()))
	w.must(w.fixtures.Give(w.Context(), "stale"))
	if err := w.press("2"); err == nil {
		w.Error("with a secret that LWA refuses a press is done")
	}
	w.wantCounted("SecretsTrouble", "cause", "credentials")
	w.wantActive()
	w.secret(renewed)
	defer w.secret(old)
	w.later(time.Hour)
	// The warm function asks LWA no more for a while. A message that was polled without a gap
	// would be given up before that: the waits of the queue are skipped here.
	const gap = 2 * time.Second
	next := time.Now()
	w.until("the press is done", func() bool {
		if now := time.Now(); !now.Before(next) {
			next = now.Add(gap)
			w.poll(press)
		}
		return w.in("RetryQueue") == 0
	})
	w.wantOrdered("2")
}

// client is the LWA client of the fixtures.
func (w *trouble) client() stack.Client {
	c := eventtest.Client()
	return stack.Client{ID: c.ID, Secret: c.Secret.Reveal(), RedirectURLs: c.RedirectURLs}
}

// secret writes a client into the LWA secret.
func (w *trouble) secret(c stack.Client) {
	w.Helper()
	text, err := json.Marshal(map[string]string{"client_id": c.ID, "client_secret": c.Secret})
	w.must(err)
	id, value := w.Ref("LwaSecret"), string(text)
	_, err = w.Secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: &value})
	w.must(err)
}

// What was sealed with the old key opens as before; whoever starts anew seals with the new
// one, and who is warm finds that it does not know it.
func keysRotated(w *trouble) {
	w.must(w.press("1"))
	id := w.Ref("KeysSecret")
	out, err := w.Secrets.GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id})
	w.must(err)
	added, key, err := seal.Add([]byte(*out.SecretString))
	w.must(err)
	write := func(text *string) {
		_, err := w.Secrets.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &id, SecretString: text})
		w.must(err)
	}
	before := w.registration()
	write(aws.String(string(added)))
	defer write(out.SecretString)
	w.must(w.press("2")) // which is warm, and tells of the open order
	w.sweep()            // which is not
	after := w.registration()
	if seal.KeyID(before.AccessToken) == key || seal.KeyID(after.AccessToken) != key || seal.KeyID(after.RefreshToken) != key {
		w.Errorf("the tokens are sealed with %s, after the rotation with %s and %s; want the new key %s",
			seal.KeyID(before.AccessToken), seal.KeyID(after.AccessToken), seal.KeyID(after.RefreshToken), key)
	}
	w.must(w.press("3"))
	for _, id := range []string{"2", "3"} {
		if m := w.message(id); m.State != store.Done || m.Result.InstanceID == "" {
			w.Errorf("press %s is %s: %+v; want it told of the open order", id, m.State, m.Result)
		}
	}
	w.wantOrdered("1")
}
