package lwatest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// wire sends bytes to a server that listens and reads an answer for each method, all of
// them on one connection.
func wire(t *testing.T, srv *lwatest.Server, bytes string, methods ...string) []answer {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(srv.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, bytes); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	from := bufio.NewReader(conn)
	for _, method := range methods {
		resp, err := http.ReadResponse(from, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)})
	}
	return answers
}

// FIDELITY.md §6.1: requests as software of all ages writes them.
func TestOnTheWire(t *testing.T) {
	srv := lwatest.NewServer(t, options())
	body := clientForm().Encode()
	head := func(target, more string) string {
		return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + form + "\r\n" + more
	}
	sized := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	good := head("/auth/o2/token", sized)
	chunked := "Transfer-Encoding: chunked\r\n\r\n"
	for b := range strings.SplitSeq(body, "&") {
		chunked += fmt.Sprintf("%x\r\n%s&\r\n", len(b)+1, b)
	}
	for _, tt := range []struct {
		name, bytes string
		statuses    []int
	}{
		{"plain", good, []int{200}},
		{"chunked", head("/auth/o2/token", chunked+"0\r\n\r\n"), []int{200}},
		{"chunks that are none", head("/auth/o2/token", chunked+"zz\r\n"), []int{400}},
		{"HTTP/1.0 without a host", "POST /auth/o2/token HTTP/1.0\r\nContent-Type: " + form + "\r\n" + sized, []int{200}},
		{"whole address as target", head("http://api.amazon.com/auth/o2/token", sized), []int{200}},
		{"percent-encoded path", head("/auth/%6F2/token", sized), []int{200}},
		{"slash behind the path", head("/auth/o2/token/", sized), []int{404}},
		{"path in capitals", head("/AUTH/O2/TOKEN", sized), []int{404}},
		{"one after another, one of them bad", good + head("/auth/o2/token", "Content-Length: 1\r\n\r\nx") + good, []int{200, 400, 200}},
		{"after a wrong method", "OPTIONS /auth/o2/token HTTP/1.1\r\nHost: localhost\r\n\r\n" + good, []int{405, 200}},
		{"names that are encoded, and empty ones", head("/auth/o2/token", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body)+7, "&=&&x=&"+body)), []int{200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers := wire(t, srv, tt.bytes, make([]string, len(tt.statuses))...)
			for i, want := range tt.statuses {
				if a := answers[i]; a.Status != want || a.Header.Get("x-amzn-RequestId") == "" {
					t.Errorf("answer %d = %d %s, want %d", i+1, a.Status, a.Body, want)
				}
			}
		})
	}
	a := wire(t, srv, head("/auth/o2/token", "Expect: 100-continue\r\n"+sized), "POST", "POST")
	if a[0].Status != 100 || a[1].Status != 200 {
		t.Errorf("with Expect: %d, then %d, want 100 and 200", a[0].Status, a[1].Status)
	}
}

// FIDELITY.md §17: HEAD is GET without the body, here and in memory.
func TestHead(t *testing.T) {
	srv := lwatest.NewServer(t, options())
	token := url.QueryEscape(paired(t, srv).str("access_token"))
	for _, path := range []string{
		target(), "/ap/oa", "/us/code", "/us/code?user_code=ABCDEF", "/sdk/login1.js", "/auth/o2/tokeninfo?access_token=" + token,
		"/user/profile?access_token=" + token, "/user/profile", "/elsewhere",
	} {
		want := get(t, srv, path)
		a := wire(t, srv, "HEAD "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", "HEAD")[0]
		inMemory := do(t, srv, request(t, "HEAD", path, "", ""))
		for how, a := range map[string]answer{"on the wire": a, "in memory": inMemory} {
			if a.Status != want.Status || a.Body != "" || a.Header.Get("Content-Type") != want.Header.Get("Content-Type") ||
				a.Header.Get("Content-Length") == "0" {
				t.Errorf("HEAD %.30s %s = %d %s, %d bytes, want %d as GET", path, how, a.Status, a.Header.Get("Content-Type"), len(a.Body), want.Status)
			}
		}
	}
}
