package lwatest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTokenInfo(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("access_token")
	srv.Clock().Advance(3500 * time.Millisecond)
	want := map[string]any{
		"iss": "https://www.amazon.com", "user_id": customerOne, "aud": clientID,
		"app_id": "amzn1.application.00000000000000000000000000000001", "exp": 3596.0, "iat": float64(noon.Unix()),
	}
	header := request(t, "GET", "/auth/o2/tokeninfo", "", "")
	header.Header.Set("x-amz-access-token", token)
	for name, a := range map[string]answer{
		"query":          get(t, srv, "/auth/o2/tokeninfo?access_token="+url.QueryEscape(token)),
		"other spelling": get(t, srv, "/auth/O2/tokeninfo?access_token="+url.QueryEscape(token)),
		"raw":            get(t, srv, "/auth/o2/tokeninfo?access_token="+token),
		"header":         do(t, srv, header),
	} {
		if diff := cmp.Diff(want, a.JSON); diff != "" || a.Status != 200 {
			t.Errorf("%s: %d (-want +got):\n%s", name, a.Status, diff)
		}
	}
}

// A token that was issued to another client is told apart by aud, whoever asks.
func TestTokenInfoOfAnotherClient(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv, "client_id", otherID).Get("code")
	token := wantTokens(t, post(t, srv, exchangeForm(code, "client_id", otherID, "client_secret", otherSecret))).str("access_token")
	if a := get(t, srv, "/auth/o2/tokeninfo?access_token="+url.QueryEscape(token)); a.str("aud") != otherID || a.str("user_id") != customerOne {
		t.Errorf("tokeninfo = %d %s, want the other client as aud", a.Status, a.Body)
	}
	_, err := srv.Client().VerifyToken(t.Context(), newSecret(token))
	if err == nil {
		t.Error("VerifyToken() took a token of another client")
	}
}

func TestTokenInfoRefuses(t *testing.T) {
	srv := newServer(t, nil)
	a := paired(t, srv)
	ask := func(token string) answer {
		return get(t, srv, "/auth/o2/tokeninfo?access_token="+url.QueryEscape(token))
	}
	wantRefusal(t, ask(""), 400, "invalid_request", missing("access_token"))
	for _, bad := range []string{"x", a.str("refresh_token"), url.QueryEscape(a.str("access_token"))} {
		wantRefusal(t, ask(bad), 400, "invalid_token", invalid("access_token"))
	}
	bearer := request(t, "GET", "/auth/o2/tokeninfo", "", "")
	bearer.Header.Set("Authorization", "Bearer "+a.str("access_token")) // profile takes it there, tokeninfo doesn't
	wantRefusal(t, do(t, srv, bearer), 400, "invalid_request", missing("access_token"))
	srv.Clock().Advance(time.Hour)
	wantRefusal(t, ask(a.str("access_token")), 400, "invalid_token", invalid("access_token"))
}

func TestProfile(t *testing.T) {
	for scope, want := range map[string]map[string]any{
		"profile":             {"user_id": customerOne, "name": "Customer One", "email": "one@example.com"},
		"profile:user_id":     {"user_id": customerOne},
		"postal_code":         {"postal_code": "98101"},
		"profile postal_code": {"user_id": customerOne, "name": "Customer One", "email": "one@example.com", "postal_code": "98101"},
	} {
		srv := newServer(t, nil)
		token := wantTokens(t, post(t, srv, exchangeForm(visit(t, srv, "scope", scope).Get("code")))).str("access_token")
		ask := func(name, value string) answer {
			r := request(t, "GET", "/user/profile", "", "")
			r.Header.Set(name, value)
			return do(t, srv, r)
		}
		for how, a := range map[string]answer{
			"query":       get(t, srv, "/user/profile?access_token="+url.QueryEscape(token)),
			"bearer":      ask("Authorization", "Bearer "+token),
			"lower case":  ask("Authorization", "bearer "+token),
			"x-amz token": ask("x-amz-access-token", token),
		} {
			if diff := cmp.Diff(want, a.JSON); diff != "" || a.Status != 200 {
				t.Errorf("%s by %s: %d (-want +got):\n%s", scope, how, a.Status, diff)
			}
		}
	}
}

func TestProfileRefuses(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("access_token")
	a := get(t, srv, "/user/profile?access_token="+url.QueryEscape(token))
	if a.Status != 401 || a.str("error") != "insufficient_scope" {
		t.Errorf("profile for a Dash token = %d %s, want insufficient_scope", a.Status, a.Body)
	}
	wantRefusal(t, get(t, srv, "/user/profile"), 400, "invalid_request", missing("access_token"))
	wantRefusal(t, get(t, srv, "/user/profile?access_token=x"), 400, "invalid_token", invalid("access_token"))
}
