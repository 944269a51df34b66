// Command server is the least that a Go program can do to answer over HTTP: the peer
// that the start of `restock up` is measured against.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	s := &http.Server{
		Addr:              os.Args[1],
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "ok")
		}),
	}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
	os.Exit(1)
}
