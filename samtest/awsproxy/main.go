// Command awsproxy stands between functions under test and DynamoDB Local and moto. See
// package internal/awsproxy.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/restock-dev/restock/internal/awsproxy"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "awsproxy:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", ":4566", "address to listen on")
	dynamo := flag.String("dynamodb", "http://dynamodb:8000", "URL of DynamoDB Local, which runs with -sharedDb")
	others := flag.String("others", "http://moto:5000", "URL of moto, for all other services")
	account := flag.String("account", "123456789012", "AWS account in the ARNs that are recorded")
	flag.Parse()
	upstreams := map[string]*url.URL{}
	for prefix, address := range map[string]string{"dynamodb": *dynamo, "": *others} {
		u, err := url.Parse(address)
		if err != nil {
			return err
		}
		upstreams[prefix] = u
	}
	server := &http.Server{
		Addr: *listen, Handler: &awsproxy.Proxy{Upstreams: upstreams, Account: *account}, ReadHeaderTimeout: 10 * time.Second,
	}
	return server.ListenAndServe()
}
