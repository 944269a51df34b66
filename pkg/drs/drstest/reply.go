package drstest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// reply is what will be answered.
type reply struct {
	status     int
	body       []byte
	html       bool
	at         time.Time
	result     string // x-amzn-type-version of a success
	errorType  string
	allow      string
	retryAfter string
	outcome    string // for the journal
}

// done answers a success with v, nil for nothing.
func done(q *request, v any, outcome string) reply {
	p := reply{status: http.StatusOK, result: q.result(), outcome: outcome}
	if v != nil {
		p.body = encodeJSON(v)
	}
	return p
}

// acknowledge answers a success that says nothing.
func acknowledge(c *change, q *request, outcome string) reply {
	if c.s.st.switches.EmptyObject {
		return done(q, struct{}{}, outcome)
	}
	return done(q, nil, outcome)
}

func refuse(status int, message, outcome string) reply {
	return reply{status: status, body: encodeJSON(map[string]string{"message": message}), outcome: outcome}
}

// invalidToken is, to the letter, what was seen from Amazon. It is the one reply whose
// exception is known, so it is the only one that names any.
func invalidToken() reply {
	p := refuse(http.StatusBadRequest, "Invalid token", "invalid token")
	p.errorType = "InvalidTokenException:http://internal.amazon.com/coral/com.amazon.parkeraccioservice/"
	return p
}

func saveFailed() reply {
	return refuse(http.StatusInternalServerError, "The sandbox can't save its state", "saving failed")
}

// encodeJSON writes v without HTML escapes: DRS's sentence about a slot has angle brackets.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("{}") // nothing here can't be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// write sends a reply; false: it broke off, as the fault wants it.
func (s *Server) write(w http.ResponseWriter, p reply, f Fault) bool {
	h := w.Header()
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	h.Set("X-Amzn-RequestId", uuid())
	h.Set("X-Amz-Date", p.at.Format(http.TimeFormat))
	set("X-Amzn-ErrorType", p.errorType)
	set("Allow", p.allow)
	set("Retry-After", p.retryAfter)
	if p.result != "" {
		set("x-amzn-type-version", typePrefix+p.result)
	}
	switch {
	case p.html:
		set("Content-Type", "text/html")
	case len(p.body) > 0:
		set("Content-Type", "application/json")
	}
	if f.Kind == Truncated {
		return breakOff(w, p)
	}
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // the client has gone
	return true
}

// breakOff sends half of a reply; of an empty one, the promise of more.
func breakOff(w http.ResponseWriter, p reply) bool {
	w.Header().Set("Content-Length", strconv.Itoa(len(p.body)+2))
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body[:len(p.body)/2])    // the client has gone
	_ = http.NewResponseController(w).Flush() // what can't be flushed is not sent at all
	return false
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
