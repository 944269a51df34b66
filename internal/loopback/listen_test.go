package loopback

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

// machine listens on 127.0.0.1 for all addresses, and fails as it is told to at ::1.
type machine struct {
	ipv6   []error // one after the other
	opened []net.Listener
}

func (m *machine) listen(ctx context.Context, network, address string) (net.Listener, error) {
	if strings.HasPrefix(address, "[") && len(m.ipv6) > 0 {
		err := m.ipv6[0]
		m.ipv6 = m.ipv6[1:]
		return nil, &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("bind", err)}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	m.opened = append(m.opened, l)
	return l, err
}

func TestLocalhost(t *testing.T) {
	inUse := make([]error, 2*tries)
	for i := range inUse {
		inUse[i] = syscall.EADDRINUSE
	}
	for name, c := range map[string]struct {
		ipv6 []error
		port string
		want int // listeners
		err  error
	}{
		"both":                       {nil, "8085", 2, nil},
		"no IPv6":                    {[]error{syscall.EADDRNOTAVAIL}, "8085", 1, nil},
		"no such family":             {[]error{syscall.EAFNOSUPPORT}, "8085", 1, nil},
		"another's":                  {inUse, "8085", 0, syscall.EADDRINUSE},
		"not allowed":                {[]error{syscall.EACCES}, "8085", 0, syscall.EACCES},
		"free, no IPv6":              {[]error{syscall.EADDRNOTAVAIL}, "0", 1, nil},
		"free, at the second try":    {inUse[:1], "0", 2, nil},
		"free, but always another's": {inUse, "0", 0, syscall.EADDRINUSE},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{ipv6: c.ipv6}
			all, port, err := listenAt(t.Context(), m.listen, "localhost", c.port)
			defer closeAll(all)
			if len(all) != c.want || !errors.Is(err, c.err) || err == nil && (port == "0" || c.port != "0" && port != c.port) {
				t.Errorf("listenAt() = %d listeners, port %q, %v; want %d, %v", len(all), port, err, c.want, c.err)
			}
			if c.want > 0 {
				return
			}
			for _, l := range m.opened {
				if l.Close() == nil {
					t.Error("it still listens")
				}
			}
		})
	}
}

// Another process must not get the answer because it holds the port at the other address.
func TestPortOfAnother(t *testing.T) {
	other, err := net.Listen("tcp", "[::1]:0")
	if noIPv6(err) {
		other, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, port, err := net.SplitHostPort(other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := Listen(t.Context(), "http://localhost:"+port+"/"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen() = %v, %v, want EADDRINUSE", r, err)
	}
}

// Browsers leave port 80 out of Host.
func TestPort80(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{url: &url.URL{Scheme: "http", Host: "localhost:80", Path: "/"}, listeners: []net.Listener{l}}
	done := make(chan error, 1)
	go func() { done <- r.Await(t.Context(), "s", func(context.Context, Answer) error { return nil }) }()
	for _, c := range []struct {
		host string
		want int
	}{{"localhost:8080", http.StatusNotFound}, {"example.com", http.StatusNotFound}, {"localhost", http.StatusOK}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/?state=s&code=c", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("Host %s: %d, want %d", c.host, res.StatusCode, c.want)
		}
	}
	if t.Failed() {
		return
	}
	if err := <-done; err != nil {
		t.Errorf("Await() = %v", err)
	}
}
