package local_test

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/docs"
	"github.com/restock-dev/restock/internal/openapitest"
)

// What answers before any handler does is as described, too.
func TestAnswersOfTheServer(t *testing.T) {
	s := startStack(t, filepath.Join(t.TempDir(), "restock.db"))
	ask := func(method, path, body string) (status int, answer []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.Addresses().HTTP+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if answer, err = io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		openapitest.Check(t, r, []byte(body), res.StatusCode, res.Header, answer)
		return res.StatusCode, answer
	}
	if status, text := ask("GET", "/openapi.yaml", ""); status != 200 || !bytes.Equal(text, docs.OpenAPI) {
		t.Errorf("GET /openapi.yaml = %d, %d bytes, want docs/openapi.yaml", status, len(text))
	}
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v1/nothing", "", 404},
		{"PUT", "/v1/registration", "", 405},
		{"HEAD", "/", "", 200},
		{"POST", "/v1/pairings", `{"device_model":"` + strings.Repeat("x", 64<<10) + `"}`, 413},
	} {
		if status, _ := ask(tt.method, tt.path, tt.body); status != tt.want {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.path, status, tt.want)
		}
	}
	status := 0
	for i := 0; i < 1000 && status != 429; i++ {
		status, _ = ask("POST", "/v1/pairings", `{}`)
	}
	if status != 429 {
		t.Errorf("1000 calls in a row, and the last = %d, want 429", status)
	}
}
