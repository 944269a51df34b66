package lwatest_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// FuzzToken: whatever is posted, there is an answer of the documented form, and no
// tokens for it.
func FuzzToken(f *testing.F) {
	f.Add(form, exchangeForm("ANdNAVhyhqirUelHGEHA").Encode())
	f.Add(form, refreshForm("Atzr|x").Encode())
	f.Add(form, clientForm("client_secret", "wrong").Encode())
	f.Add(form, "grant_type=device_code&device_code=74tq5miHKB&user_code=94238")
	f.Add("application/json", `{"grant_type":"client_credentials","scope":["x"],"client_id":"`+clientID+`"}`)
	f.Add("application/json", `{"grant_type":"refresh_token","refresh_token":"x","client_id":"`+clientID+`"}`)
	f.Add("application/json", `{"grant_type":["refresh_token"],"code":null}`)
	f.Add(form, "grant_type=authorization_code&code=%00&client_id=%ff")
	f.Add("multipart/form-data", "--x")
	f.Add("", ";;;&&&===")
	srv := newServer(f, nil)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip("no header that net/http would deliver")
		}
		a := do(t, srv, request(t, "POST", "/auth/o2/token", contentType, body))
		if a.Status != 400 && a.Status != 401 && a.Status != 413 {
			t.Fatalf("status = %d: %s", a.Status, a.Body)
		}
		if a.str("error") == "" || a.str("error_description") == "" {
			t.Errorf("answer = %s, want an error and its description", a.Body)
		}
		entries := srv.Journal()
		last, err := json.Marshal(entries[len(entries)-1])
		if err != nil || len(last) > 1000 {
			t.Errorf("journal entry = %s, %v", last, err)
		}
	})
}

// FuzzAuthorize: whatever is asked, the browser is sent to a return URL that is
// registered, or nowhere, and the SDK is told only on an allowed origin.
func FuzzAuthorize(f *testing.F) {
	f.Add(strings.TrimPrefix(target(), "/ap/oa?"))
	f.Add(strings.TrimPrefix(target("scope", "dash:replenish", "scope_data", dashData), "/ap/oa?"))
	f.Add(strings.TrimPrefix(target("redirect_uri", "https://evil.example.com/"), "/ap/oa?"))
	f.Add(strings.TrimPrefix(target("state", "\r\nSet-Cookie: x"), "/ap/oa?"))
	f.Add("client_id=" + clientID + "&redirect_uri=" + url.QueryEscape(redirectURL) + "&scope_data=%7B%7D&scope=%20")
	f.Add("%zz=&=;")
	f.Add(strings.TrimPrefix(target("sdk_origin", site), "/ap/oa?"))
	f.Add(strings.TrimPrefix(target("sdk_origin", site, "state", `"><script>`, "scope", ""), "/ap/oa?"))
	f.Add(strings.TrimPrefix(target("sdk_origin", "http://localhost.evil.example"), "/ap/oa?"))
	told := regexp.MustCompile(`data-origin="https?://(localhost|[a-z0-9.-]+\.localhost|127\.[0-9.]+|\[::1\])(:[0-9]*)?" `)
	srv := newServer(f, allowing)
	asking := newServer(f, nil)
	f.Fuzz(func(t *testing.T, query string) {
		r := request(t, "GET", "/ap/oa", "", "")
		r.URL.RawQuery = query
		a := do(t, srv, r)
		location := a.Header.Get("Location")
		switch {
		case a.Status == 302 && strings.HasPrefix(location, redirectURL+"&"),
			a.Status == 302 && strings.HasPrefix(location, "http://localhost:8080/callback?"):
			if strings.ContainsAny(location, "\r\n\x00") {
				t.Errorf("Location = %q", location)
			}
		case a.Status == 400 && location == "":
		case a.Status == 200 && location == "" && told.MatchString(a.Body):
		default:
			t.Fatalf("answer = %d to %q", a.Status, location)
		}
		again := request(t, "GET", "/ap/oa", "", "")
		again.URL.RawQuery = query
		p := do(t, asking, again)
		if body := strings.Replace(p.Body, "<script>// Tells the page", "", 1); strings.Contains(body, "<script") { // one is ours
			t.Errorf("the page lets markup through: %s", p.Body)
		}
	})
}

// FuzzConsent: no answer that wasn't asked for gets a code.
func FuzzConsent(f *testing.F) {
	f.Add(url.Values{"request": {strings.TrimPrefix(target(), "/ap/oa?")}, "expires": {"99999999999"}, "decision": {"allow"}}.Encode())
	f.Add("signature=&expires=-1")
	srv := newServer(f, nil)
	f.Fuzz(func(t *testing.T, body string) {
		a := do(t, srv, request(t, "POST", "/ap/oa/consent", form, body))
		if a.Status != 400 || a.Header.Get("Location") != "" {
			t.Fatalf("answer = %d to %q", a.Status, a.Header.Get("Location"))
		}
	})
}

// FuzzRestore: records that somebody has damaged are refused or make a server that works.
func FuzzRestore(f *testing.F) {
	srv := newServer(f, nil)
	paired(f, srv)
	records, err := srv.Snapshot()
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range records {
		f.Add(r.Key, string(r.Value))
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		srv := newServer(t, nil)
		if srv.Restore([]lwatest.Record{{Key: key, Value: json.RawMessage(value)}}) != nil {
			return
		}
		if _, err := srv.Snapshot(); err != nil {
			t.Errorf("a restored server has no snapshot: %v", err)
		}
		get(t, srv, target())
		post(t, srv, exchangeForm("ANdNAVhyhqirUelHGEHA"))
		srv.Grants(lwatest.Match{})
	})
}
