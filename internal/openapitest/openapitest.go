// Package openapitest holds what handlers are asked and answer against docs/openapi.yaml,
// in their own tests: an answer that the description doesn't know fails the test that got it.
package openapitest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Serve sends r to h and returns the answer, which must be one that the description has for
// this request. What h took must fit the description as well.
func Serve(t testing.TB, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	Check(t, r, sent, rec.Code, rec.Header(), rec.Body.Bytes())
	return rec
}

// Check fails the test unless the answer to r, whose body was sent, is as described.
func Check(t testing.TB, r *http.Request, sent []byte, status int, header http.Header, body []byte) {
	t.Helper()
	for _, fault := range faults(r, sent, status, header, body) {
		t.Errorf("docs/openapi.yaml and the answer %d to %s %s: %s\n%s", status, r.Method, r.URL.Path, fault, body)
	}
}

func faults(r *http.Request, sent []byte, status int, header http.Header, body []byte) []string {
	d := described()
	res, request := d.find(r, status)
	if res == nil {
		return []string{"this status is not described"}
	}
	found := d.headerFaults(res, header)
	if r.Method != http.MethodHead {
		found = append(found, d.bodyFaults(res, header, body)...)
	}
	if status < http.StatusBadRequest && request != nil {
		if err := valid(d.requests, request.at+"/content/application~1json/schema", sent); err != nil {
			found = append(found, "it was taken, but the body "+string(sent)+" is not described: "+err.Error())
		}
	}
	return found
}

// find returns what is described for an answer, and the request body where there is one.
func (d *description) find(r *http.Request, status int) (res, request *node) {
	_, pattern := d.mux.Handler(r)
	operation := d.operations[pattern]
	if operation == nil {
		switch status {
		case http.StatusNotFound:
			return d.root.to("components", "responses", "NotFound"), nil
		case http.StatusMethodNotAllowed:
			return d.root.to("components", "responses", "MethodNotAllowed"), nil
		}
		return nil, nil
	}
	return operation.to("responses", strconv.Itoa(status)), operation.to("requestBody")
}

func (d *description) headerFaults(res *node, header http.Header) (found []string) {
	for _, name := range res.to("headers").names() {
		described := res.to("headers", name)
		value := header.Get(name)
		required, _ := described.value["required"].(bool)
		switch {
		case value == "" && required:
			found = append(found, "it lacks the header "+name)
		case value != "":
			text, _ := json.Marshal(value)
			if kind := described.to("schema").value["type"]; kind == "integer" {
				text = []byte(value)
			}
			if err := valid(d.answers, described.at+"/schema", text); err != nil {
				found = append(found, "header "+name+": "+err.Error())
			}
		}
	}
	return found
}

func (d *description) bodyFaults(res *node, header http.Header, body []byte) []string {
	content := res.to("content")
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case content == nil && len(body) > 0:
		return []string{"no body is described"}
	case content == nil:
		return nil
	case !slices.Contains(content.names(), media):
		return []string{"the content type " + strconv.Quote(media) + " is not described"}
	case !strings.HasSuffix(media, "json"):
		return nil
	}
	if err := valid(d.answers, content.to(media).at+"/schema", body); err != nil {
		return []string{err.Error()}
	}
	return nil
}
