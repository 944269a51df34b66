package callback_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// want fails the test unless the status is the one wanted.
func (a *answer) want(t testing.TB, status int) *answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status = %d, want %d; body:\n%s", a.status, status, a.body)
	}
	return a
}

// has fails the test unless the body has every text.
func (a *answer) has(t testing.TB, texts ...string) *answer {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("body has no %q:\n%s", text, a.body)
		}
	}
	return a
}

// problem fails the test unless the answer is this problem.
func (a *answer) problem(t testing.TB, status int, code string) {
	t.Helper()
	a.want(t, status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q", got)
	}
	var p struct {
		Code   string `json:"code"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	a.json(t, &p)
	if p.Code != code || p.Status != status || p.Detail == "" {
		t.Errorf("problem = %+v, want code %q", p, code)
	}
}

func (a *answer) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("body is no JSON: %v\n%s", err, a.body)
	}
}
