package web

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"regexp"
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
// Members that v does not know are ignored. Names count as they are written, in their case, and
// no member may be given twice: whoever else reads the body must not see another device in it.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := ReadBody(w, r)
	if err != nil {
		return err
	}
	return DecodeJSON(body, v)
}

// ReadBody reads what is to be JSON, at most [MaxBody] bytes.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, New(CodeNotJSON, "send the body as Content-Type: application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, New(CodeTooLarge, "the body may have 64 KiB at most")
	case err != nil:
		return nil, New(CodeBadBody, "the body did not arrive whole; send it again")
	}
	return body, nil
}

// DecodeJSON reads one JSON object into v, as [ReadJSON] does.
func DecodeJSON(body []byte, v any) error {
	if !utf8.Valid(body) || !json.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return New(CodeBadBody, "the body must be one JSON object in UTF-8")
	}
	body, err := exact(body)
	if err != nil {
		return err
	}
	err = json.Unmarshal(body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		// Before the member stand the names of Go's embedded structs, which no caller knows.
		member := wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:]
		return BadField(member, member+" must be "+kindOf(wrong.Type))
	case err != nil:
		return New(CodeBadBody, "the body must be one JSON object in UTF-8")
	}
	return nil
}

// kindOf is what JSON has to hold for a Go type, whose name no caller knows.
func kindOf(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return kinds[reflect.String]
	}
	return cmp.Or(kinds[t.Kind()], "of another kind")
}

var kinds = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number",
	reflect.Float64: "a number", reflect.Slice: "a list", reflect.Map: "an object", reflect.Struct: "an object",
}

// exact returns body, which is valid, for [json.Unmarshal], which takes a name in whatever
// case, and the last member of one name: without the names that aren't all in small letters, as
// those of all of ours are, and only if no name comes twice.
func exact(body []byte) ([]byte, error) {
	members, foreign := map[string]json.RawMessage{}, false
	d := json.NewDecoder(bytes.NewReader(body))
	_, _ = d.Token() // the brace; nothing here can fail, for body is valid
	for d.More() {
		token, _ := d.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = d.Decode(&value)
		if _, twice := members[name]; twice {
			return nil, New(CodeBadBody, "no member may be given twice")
		}
		members[name] = value
		foreign = foreign || !small.MatchString(name)
	}
	if !foreign {
		return body, nil
	}
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool { return !small.MatchString(name) })
	return json.Marshal(members)
}

var small = regexp.MustCompile(`^[a-z0-9_]*$`)

// Bearer returns the bearer token of the request, "" without one.
func Bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
