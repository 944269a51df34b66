package lwatest_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// The texts are Amazon's.
const (
	badClient      = "Client authentication failed"
	badGrantType   = "The authorization grant type is not supported by the authorization server"
	badContentType = "The Content-Type is not supported by the authorization server"
	badCode        = "The request has an invalid grant parameter : code"
	badRedirect    = "The request has an invalid grant parameter : redirect_uri"
	badRefresh     = "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."
	notAuthorized  = "Not authorized for requested operation"
)

func missing(name string) string { return "The request is missing a required parameter : " + name }
func invalid(name string) string { return "The request has an invalid parameter : " + name }

func TestExchangeAnswers(t *testing.T) {
	srv := newServer(t, nil)
	for _, path := range []string{"/auth/o2/token", "/auth/O2/token"} {
		code := visit(t, srv).Get("code")
		a := wantTokens(t, do(t, srv, request(t, "POST", path, form+";charset=UTF-8", exchangeForm(code).Encode())))
		if !regexp.MustCompile(`^Atza\|[A-Za-z0-9_-]{345,}$`).MatchString(a.str("access_token")) ||
			!regexp.MustCompile(`^Atzr\|[A-Za-z0-9_-]+$`).MatchString(a.str("refresh_token")) {
			t.Errorf("tokens are not of Amazon's form: %s", a.Body)
		}
		if len(a.JSON) != 4 || a.str("token_type") != "bearer" || a.JSON["expires_in"] != 3600.0 {
			t.Errorf("answer = %s, want bearer, 3600 and nothing else", a.Body)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-store", "Pragma": "no-cache",
			"Date": "Thu, 08 Jan 2026 12:00:00 GMT",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if id := a.Header.Get("x-amzn-RequestId"); !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("x-amzn-RequestId = %q, want a UUID", id)
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	const json = "application/json"
	srv := newServer(t, nil)
	code := visit(t, srv).Get("code")
	refresh := paired(t, srv).str("refresh_token")
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		code, description       string
	}{
		{"no content type", "", exchangeForm(code).Encode(), 400, "invalid_request", badContentType},
		{"another content type", "text/plain", exchangeForm(code).Encode(), 400, "invalid_request", badContentType},
		{"JSON in a form", form, `{"grant_type":"authorization_code","code":"x;y"}`, 400, "unsupported_grant_type", badGrantType},
		{"multipart", "multipart/form-data; boundary=x", "--x--", 400, "unsupported_grant_type", badGrantType},
		{"empty form", form, "", 400, "unsupported_grant_type", badGrantType},
		{"unknown grant type", form, with(exchangeForm(code), "grant_type", "password").Encode(), 400, "unsupported_grant_type", badGrantType},
		{"the device grant of RFC 8628", form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=a", 400, "unsupported_grant_type", badGrantType},
		{"malformed form", form, exchangeForm(code).Encode() + "&x=%zz", 400, "invalid_request", "Malformed request"},
		{"malformed JSON", json, `{"grant_type":`, 400, "invalid_request", "Malformed request"},
		{"JSON with a number", json, `{"grant_type":"refresh_token","refresh_token":7}`, 400, "invalid_request", invalid("refresh_token")},
		{"too long", form, exchangeForm(code).Encode() + "&x=" + strings.Repeat("x", 64<<10), 413, "invalid_request", "Malformed request"},
		{"twice the same", form, exchangeForm(code).Encode() + "&code=" + code, 400, "invalid_request", invalid("code")},
		{"no code", form, with(exchangeForm(code), "code", "").Encode(), 400, "invalid_request", missing("code")},
		{"no client ID", form, with(exchangeForm(code), "client_id", "").Encode(), 400, "invalid_request", missing("client_id")},
		{"no redirect URL", form, with(exchangeForm(code), "redirect_uri", "").Encode(), 400, "invalid_request", missing("redirect_uri")},
		{"no refresh token", form, refreshForm("").Encode(), 400, "invalid_request", missing("refresh_token")},
		{"unknown client", form, with(exchangeForm(code), "client_id", "amzn1.sp.solution.x").Encode(), 401, "invalid_client", badClient},
		{"wrong secret", form, with(exchangeForm(code), "client_secret", "wrong").Encode(), 401, "invalid_client", badClient},
		{"empty secret", form, with(exchangeForm(code), "client_secret", "").Encode() + "&client_secret=", 401, "invalid_client", badClient},
		{"another client's secret", form, with(exchangeForm(code), "client_secret", otherSecret).Encode(), 401, "invalid_client", badClient},
		{"secret of a public client", form, with(exchangeForm(code), "client_id", publicID).Encode(), 401, "invalid_client", badClient},
		{"17 characters", form, exchangeForm("ANxxxxxxxxxxxxxxx").Encode(), 400, "invalid_request", invalid("code")},
		{"129 characters", form, exchangeForm(strings.Repeat("x", 129)).Encode(), 400, "invalid_request", invalid("code")},
		{"unknown code", form, exchangeForm("ANdNAVhyhqirUelHGEHA").Encode(), 400, "invalid_grant", badCode},
		{"another client's code", form, with(exchangeForm(code), "client_id", otherID, "client_secret", otherSecret).Encode(), 400, "invalid_grant", badCode},
		{"unknown refresh token", form, refreshForm("Atzr|x").Encode(), 400, "invalid_grant", badRefresh},
		{"access token as refresh token", form, refreshForm(paired(t, srv).str("access_token")).Encode(), 400, "invalid_grant", badRefresh},
		{"another client's refresh token", form, refreshForm(refresh, "client_id", otherID, "client_secret", otherSecret).Encode(), 400, "invalid_grant", badRefresh},
		{"refresh without the secret", form, refreshForm(refresh, "client_secret", "").Encode(), 401, "invalid_client", badClient},
		{"refresh with a wrong secret", form, refreshForm(refresh, "client_secret", "wrong").Encode(), 401, "invalid_client", badClient},
		{"refresh token encoded twice", form, refreshForm(url.QueryEscape(refresh)).Encode(), 400, "invalid_grant", badRefresh},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := do(t, srv, request(t, "POST", "/auth/o2/token", tt.contentType, tt.body))
			wantRefusal(t, a, tt.status, tt.code, tt.description)
			if a.str("error_index") == "" || a.str("request_id") != a.Header.Get("x-amzn-RequestId") {
				t.Errorf("identifiers are missing: %s", a.Body)
			}
			if h := a.Header; h.Get("Content-Type") != "application/json;charset=UTF-8" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("headers = %v", h)
			}
		})
	}
	// None of all that used up the code or the refresh token.
	wantTokens(t, post(t, srv, exchangeForm(code)))
	wantTokens(t, post(t, srv, refreshForm(refresh)))
}

// TestValidationOrder: a request with several things wrong is told of the first.
func TestValidationOrder(t *testing.T) {
	srv := newServer(t, nil)
	v := url.Values{"grant_type": {"password"}}
	step := func(want string, pairs ...string) {
		t.Helper()
		v = with(v, pairs...)
		a := post(t, srv, v)
		if got := a.str("error") + " " + a.str("error_description"); got != want {
			t.Errorf("with %v: %s, want %s", v, got, want)
		}
	}
	code := visit(t, srv, "code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256").Get("code")
	step("unsupported_grant_type " + badGrantType)
	step("invalid_request "+missing("code"), "grant_type", "authorization_code", "client_secret", "wrong")
	step("invalid_request "+missing("client_id"), "code", "short")
	step("invalid_request "+missing("redirect_uri"), "client_id", "nobody")
	step("invalid_client "+badClient, "redirect_uri", "https://elsewhere.example.com/")
	step("invalid_client "+badClient, "client_id", clientID)
	step("invalid_request "+invalid("code"), "client_secret", secret)
	step("invalid_grant "+badCode, "code", "ANdNAVhyhqirUelHGEHA")
	step("invalid_grant "+badRedirect, "code", code)
}

func TestCodeWorksOnce(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv).Get("code")
	first := wantTokens(t, post(t, srv, exchangeForm(code)))
	wantRefusal(t, post(t, srv, exchangeForm(code)), 400, "invalid_grant", badCode)
	wantTokens(t, post(t, srv, refreshForm(first.str("refresh_token")))) // the tokens live on
}

func TestCodeReuseRevokes(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.CodeReuseRevokes = true })
	code := visit(t, srv).Get("code")
	first := wantTokens(t, post(t, srv, exchangeForm(code)))
	wantRefusal(t, post(t, srv, exchangeForm(code)), 400, "invalid_grant", badCode)
	wantRefusal(t, post(t, srv, refreshForm(first.str("refresh_token"))), 400, "invalid_grant", badRefresh)
}

func TestCodeLivesFiveMinutes(t *testing.T) {
	for _, tt := range []struct {
		age   time.Duration
		works bool
	}{{5*time.Minute - time.Second, true}, {5 * time.Minute, false}} {
		srv := newServer(t, nil)
		code := visit(t, srv).Get("code")
		srv.Clock().Advance(tt.age)
		a := post(t, srv, exchangeForm(code))
		if tt.works {
			wantTokens(t, a)
		} else {
			wantRefusal(t, a, 400, "invalid_grant", badCode)
		}
	}
}

// TestRedirectURL: it has to be the one of the sign-in, to the letter, and an attempt
// with another one uses the code up unless the switch says otherwise.
func TestRedirectURL(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.FailedExchangeKeepsCode = keeps })
		for _, other := range []string{
			"http://localhost:8080/callback", redirectURL + "/", "https://app.example.com/callback", strings.ToUpper(redirectURL),
		} {
			code := visit(t, srv).Get("code")
			wantRefusal(t, post(t, srv, exchangeForm(code, "redirect_uri", other)), 400, "invalid_grant", badRedirect)
			again := post(t, srv, exchangeForm(code))
			if keeps {
				wantTokens(t, again)
			} else {
				wantRefusal(t, again, 400, "invalid_grant", badCode)
			}
		}
	}
	srv := newServer(t, func(sw *lwatest.Switches) { sw.RedirectURLOptional = true })
	wantTokens(t, post(t, srv, exchangeForm(visit(t, srv).Get("code"), "redirect_uri", "")))
}

// TestPipes: however a correct client writes the pipe of a token, it is understood.
func TestPipes(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("refresh_token")
	body := func(spelling string) string {
		return "grant_type=refresh_token&client_id=" + clientID + "&client_secret=" + secret + "&refresh_token=" + spelling
	}
	for _, spelling := range []string{token, url.QueryEscape(token), strings.Replace(token, "|", "%7c", 1)} {
		wantTokens(t, do(t, srv, request(t, "POST", "/auth/o2/token", form, body(spelling))))
	}
	a := do(t, srv, request(t, "POST", "/auth/o2/token", "application/json",
		`{"grant_type":"refresh_token","client_id":"`+clientID+`","client_secret":"`+secret+`","refresh_token":"`+token+`","more":1}`))
	wantTokens(t, a)
}

func TestBodyOnly(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv).Get("code")
	a := do(t, srv, request(t, "POST", "/auth/o2/token?"+exchangeForm(code).Encode(), form, ""))
	wantRefusal(t, a, 400, "unsupported_grant_type", badGrantType)
}

func TestBasicAuth(t *testing.T) {
	basic := func(srv *lwatest.Server, v url.Values, id, key string) answer {
		r := request(t, "POST", "/auth/o2/token", form, v.Encode())
		r.SetBasicAuth(id, key)
		return do(t, srv, r)
	}
	srv := newServer(t, nil)
	bare := func() url.Values {
		return exchangeForm(visit(t, srv).Get("code"), "client_id", "", "client_secret", "")
	}
	wantTokens(t, basic(srv, bare(), clientID, secret))
	wantTokens(t, basic(srv, with(bare(), "client_id", clientID), clientID, secret))
	for name, a := range map[string]answer{
		"wrong secret":   basic(srv, bare(), clientID, "wrong"),
		"two clients":    basic(srv, with(bare(), "client_id", otherID), clientID, secret),
		"two IDs":        basic(srv, with(bare(), "client_id", clientID), "nobody", secret),
		"two secrets":    basic(srv, with(bare(), "client_id", clientID, "client_secret", "x"), clientID, secret),
		"unknown client": basic(srv, bare(), "nobody", secret),
	} {
		wantRefusal(t, a, 401, "invalid_client", badClient)
		if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	srv = newServer(t, func(sw *lwatest.Switches) { sw.BasicAuth = false })
	wantRefusal(t, basic(srv, bare(), clientID, secret), 401, "invalid_client", badClient)
}

func TestMethods(t *testing.T) {
	srv := newServer(t, nil)
	for _, tt := range []struct{ method, path, allow string }{
		{"GET", "/auth/o2/token", "POST"},
		{"PUT", "/auth/O2/token", "POST"},
		{"HEAD", "/auth/o2/token", "POST"},
		{"OPTIONS", "/auth/o2/token", "POST"},
		{"POST", "/auth/o2/tokeninfo", "GET, HEAD"},
		{"POST", "/user/profile", "GET, HEAD"},
		{"POST", "/ap/oa", "GET, HEAD"},
		{"PUT", "/us/code", "GET, HEAD, POST"},
		{"GET", "/ap/oa/consent", "POST"},
	} {
		a := do(t, srv, request(t, tt.method, tt.path, form, ""))
		if a.Status != 405 || a.Header.Get("Allow") != tt.allow {
			t.Errorf("%s %s = %d, Allow %q, want 405 and %s", tt.method, tt.path, a.Status, a.Header.Get("Allow"), tt.allow)
		}
	}
	if a := get(t, srv, "/elsewhere"); a.Status != 404 {
		t.Errorf("an unknown path = %d, want 404", a.Status)
	}
}

func TestAnswerSwitches(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) {
		sw.TokenType, sw.ExpiresInText, sw.LongTokens = "Bearer", true, true
		sw.ExpiresInLess = lwatest.Duration(27 * time.Second)
		sw.DocumentedContentType, sw.ErrorTypeHeader, sw.OmitErrorIDs, sw.JSONBodies = true, true, true, false
	})
	a := paired(t, srv)
	if a.str("token_type") != "Bearer" || a.str("expires_in") != "3573" {
		t.Errorf("answer = %s, want Bearer and 3573 as text", a.Body)
	}
	if len(a.str("access_token")) != 2048 || len(a.str("refresh_token")) != 2048 {
		t.Errorf("tokens have %d and %d bytes, want 2048", len(a.str("access_token")), len(a.str("refresh_token")))
	}
	if ct := a.Header.Get("Content-Type"); ct != "application/json;charset UTF-8" {
		t.Errorf("Content-Type = %q", ct)
	}
	a = post(t, srv, url.Values{})
	if len(a.JSON) != 2 || !strings.HasPrefix(a.Header.Get("X-Amzn-ErrorType"), "OA2InvalidRequestException:") ||
		a.Header.Get("X-Amz-Date") != "Thu, 08 Jan 2026 12:00:00 GMT" {
		t.Errorf("refusal = %s %v", a.Body, a.Header)
	}
	a = do(t, srv, request(t, "POST", "/auth/o2/token", "application/json", "{}"))
	wantRefusal(t, a, 400, "invalid_request", badContentType)
}
