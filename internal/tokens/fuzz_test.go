package tokens_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
)

// Whatever LWA answers: the caller has a token that is stored, or an error with a name;
// the record has no lease left, and an active one has its refresh token.
func FuzzAnswer(f *testing.F) {
	f.Add(200, token(1).body, "")
	f.Add(200, rotated(1).body, "")
	f.Add(200, `{"access_token":"Atza|canary","token_type":"bearer","expires_in":"3600","refresh_token":""}`, "")
	f.Add(200, `{"access_token":"Atza|canary","token_type":"bearer","expires_in":1}`, "")
	f.Add(200, `{"access_token":"","refresh_token":"Atzr|canary"}`, "")
	f.Add(400, `{"error":"invalid_grant"}`, "")
	f.Add(401, `{"error":"invalid_client"}`, "")
	f.Add(400, `{"error":"unauthorized_client","error_description":"canary"}`, "")
	f.Add(429, "", "30")
	f.Add(503, "<html>", "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Add(302, "", "-1")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.pair(device, -time.Minute)
			w.lwa.answer = func(int, url.Values) reply {
				return reply{status: status, body: body, header: http.Header{"Retry-After": {retryAfter}}}
			}
			got, err := w.keeper().AccessToken(t.Context(), w.read(device))
			r := w.read(device)
			if r.LeaseOwner != "" {
				t.Error("the lease is still there")
			}
			if err == nil {
				if access, refresh := w.opened(device); access != got.Reveal() || access == "" || refresh == "" {
					t.Errorf("returned token %q, stored %q with refresh token %q", got.Reveal(), access, refresh)
				}
				return
			}
			if !named(err) || !got.IsZero() {
				t.Errorf("error = %v (%T)", err, err)
			}
			if ended := r.Status == store.GrantEnded; ended != (w.hooks() == 1) || ended == (r.RefreshToken != "") {
				t.Errorf("status %s, %d ends told, refresh token: %v", r.Status, w.hooks(), r.RefreshToken != "")
			}
			if wait := time.Until(r.NextAttempt); wait > 17*time.Minute {
				t.Errorf("next attempt in %v", wait)
			}
		})
	})
}

func named(err error) bool {
	var (
		ended       *tokens.GrantEndedError
		unavailable *tokens.UnavailableError
		credentials *tokens.CredentialsError
		unexpected  *tokens.UnexpectedError
	)
	return errors.As(err, &ended) || errors.As(err, &unavailable) || errors.As(err, &credentials) || errors.As(err, &unexpected)
}
