package loopback

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// listenFunc is that of [net.ListenConfig].
type listenFunc func(ctx context.Context, network, address string) (net.Listener, error)

// tries is how often a free port is looked for that is free at both addresses of localhost.
const tries = 10

// listenAt listens at all addresses of host, and returns the port.
func listenAt(ctx context.Context, listen listenFunc, host, port string) (all []net.Listener, at string, err error) {
	hosts := []string{host}
	if strings.EqualFold(host, "localhost") { // a browser may take either
		hosts = []string{"127.0.0.1", "::1"}
	}
	for range tries {
		all, at, err = listenOnce(ctx, listen, hosts, port)
		if err == nil || port != "0" || ctx.Err() != nil {
			break
		}
	}
	return all, at, err
}

func listenOnce(ctx context.Context, listen listenFunc, hosts []string, port string) ([]net.Listener, string, error) {
	var all []net.Listener
	for _, host := range hosts {
		l, err := listen(ctx, "tcp", net.JoinHostPort(host, port))
		switch {
		case err == nil:
		case len(all) > 0 && noIPv6(err):
			continue
		default: // whoever holds the port would be sent the code by a browser that prefers IPv6
			closeAll(all)
			return nil, "", err
		}
		all = append(all, l)
		if a, ok := l.Addr().(*net.TCPAddr); ok && port == "0" {
			port = strconv.Itoa(a.Port)
		}
	}
	return all, port, nil
}

// noIPv6 reports whether a machine has no such address.
func noIPv6(err error) bool {
	const wsaAFNoSupport, wsaAddrNotAvail = syscall.Errno(10047), syscall.Errno(10049) // as Windows has them
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, wsaAFNoSupport) || errors.Is(err, wsaAddrNotAvail)
}

func closeAll(all []net.Listener) {
	for _, l := range all {
		_ = l.Close() // nothing was written
	}
}
