// Command up is `make sam-up`: the stack of template.yaml on this machine, with the
// functions as SAM builds and serves them, until Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/restock-dev/restock/samtest/stack"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sam-up:", err)
		os.Exit(1)
	}
}

func run() error {
	port := flag.Int("port", 3000, "port of the pages and the API")
	python := flag.String("python", "python3", "Python with SAM's translator")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := up(ctx, *port, *python)
	if ctx.Err() != nil {
		return nil // it was stopped on purpose, if in the middle of a step
	}
	return err
}

func up(ctx context.Context, port int, python string) (err error) {
	host, err := stack.Start(ctx, stack.Options{
		Root: ".", Name: "restock-sam", Python: python, Log: os.Stderr,
	})
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(os.Stderr, "taking it down")
		err = errors.Join(err, host.Close())
	}()
	pages := "http://localhost:" + strconv.Itoa(port)
	s, err := host.Deploy(ctx, "restock", map[string]string{
		"LwaClientId": "amzn1.application-oa2-client.sandbox", "LwaClientSecret": "amzn1.oa2-cs.v1.sandbox", "RedirectUrl": pages + "/callback",
	})
	if err != nil {
		return err
	}
	api, err := s.StartAPI(ctx, port)
	if err != nil {
		return err
	}
	defer api.Stop()
	fmt.Printf(guide, pages, s.Amazon.URL, s.Table, s.DynamoDBURL(), api.LogFile())
	select {
	case <-ctx.Done():
	case <-api.Done():
		return fmt.Errorf("sam local start-api has ended: %s", api.Log())
	}
	return nil
}

const guide = `
Pair a device in the browser:   %[1]s/?device_model=ACME-VAC-1&serial=SN0001
Or have a device begin, and open the url of the answer:
  curl -X POST %[1]s/v1/pairings -H 'Content-Type: application/json' -d '{"device_model":"ACME-VAC-1","serial":"SN0002"}'
Then order with its device_key:
  curl -X POST %[1]s/v1/replenish -H 'Authorization: Bearer <device_key>' -H 'Content-Type: application/json' -d '{"slot":"filter"}'
The sandbox shows the order:    %[2]s
The table is %[3]s at %[4]s, and the functions' log %[5]s

Ctrl-C stops it
`
