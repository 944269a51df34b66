package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The load: this many connections, each of which has so many requests under way. With
// less, both servers wait for the client as often as it waits for them.
const (
	loadConnections = 16
	loadPipelined   = 8
)

// load asks a server for tokens for a while, with the same request again and again, and
// returns how many answers came. It writes and reads HTTP/1.1 by itself: on a machine
// that it shares with the server, a whole client would cost more than some answers do.
func load(ctx context.Context, token *url.URL, form url.Values, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	body := form.Encode()
	request := "POST " + token.Path + " HTTP/1.1\r\nHost: " + token.Host + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body
	batch := []byte(strings.Repeat(request, loadPipelined))
	var (
		answers atomic.Int64
		wg      sync.WaitGroup
		failed  = make(chan error, loadConnections)
	)
	for range loadConnections {
		wg.Go(func() {
			if err := loadConnection(ctx, token.Host, batch, &answers); err != nil {
				failed <- err
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return answers.Load(), nil
	}
}

func loadConnection(ctx context.Context, host string, batch []byte, answers *atomic.Int64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // all that matters of it was read
	r := bufio.NewReaderSize(conn, 32<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(batch); err != nil {
			return err
		}
		for range loadPipelined {
			if err := readAnswer(r); err != nil {
				return err
			}
		}
		answers.Add(loadPipelined)
	}
	return nil
}

// readAnswer reads one answer, which has to be 200 and to tell its length.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 "+strconv.Itoa(http.StatusOK))) {
		return fmt.Errorf("the server answered %q", line)
	}
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= len("\r\n") {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the server's answer has no Content-Length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
