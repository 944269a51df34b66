// Command server is the least that a Go program can do to answer over HTTP, be it a
// form with a token: the peer of `restock up`'s start and the limit for the sandbox's answers.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// answer is as long as one with an access token and no more is.
var answer = []byte(`{"access_token":"Atc|` + strings.Repeat("x", 352) + `","scope":"appstore::apps:readwrite","token_type":"bearer","expires_in":3600}`)

func main() {
	s := &http.Server{
		Addr:              os.Args[1],
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err != nil {
				http.Error(w, "", http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json;charset=UTF-8")
			_, _ = w.Write(answer) // the client has gone
		}),
	}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}
