package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 64 << 10

// Func is a handler that returns its error, a [*Problem] or a fault of ours.
type Func func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements [http.Handler]: an error becomes problem+json.
func (f Func) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		WriteProblem(w, AsProblem(r, err))
	}
}

// WriteJSON answers with v, which nobody may cache.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client has gone
	return nil
}

// ReadJSON reads the body, one JSON object of at most [MaxBody] bytes, into v.
// Members that v does not know are ignored.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return New(CodeNotJSON, "send the body as Content-Type: application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return New(CodeTooLarge, "the body may have 64 KiB at most")
	case err != nil:
		return New(CodeBadBody, "the body did not arrive whole; send it again")
	}
	return DecodeJSON(body, v)
}

// DecodeJSON reads one JSON object into v, as [ReadJSON] does.
func DecodeJSON(body []byte, v any) error {
	if !utf8.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return New(CodeBadBody, "the body must be one JSON object in UTF-8")
	}
	err := json.Unmarshal(body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		// Before the member stand the names of Go's embedded structs, which no caller knows.
		member := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
		return BadField(member, member+" can't be a "+strings.Fields(wrong.Value)[0])
	case err != nil:
		return New(CodeBadBody, "the body must be one JSON object in UTF-8")
	}
	return nil
}

// Bearer returns the bearer token of the request, "" without one.
func Bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
