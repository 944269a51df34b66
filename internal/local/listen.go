package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// listen opens an address; flag names it in the sentence that says why it can't, and free is
// what the flag takes for a free port.
func listen(ctx context.Context, flag, free, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program; stop that, or choose another with %s, such as %s %s for a free port", address, flag, flag, free)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen at %s; choose a port over 1023 with %s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("%s: listening at %s: %w", flag, address, err)
	}
	return l, nil
}

// reach is host and port by which l is reached from this machine: localhost for every
// address that means it.
func reach(l net.Listener) string {
	a, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := a.Addr().Unmap(); !ip.IsLoopback() && !ip.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("localhost", strconv.Itoa(int(a.Port())))
}

// localOnly reports whether only this machine reaches l.
func localOnly(l net.Listener) bool {
	a, err := netip.ParseAddrPort(l.Addr().String())
	return err == nil && a.Addr().Unmap().IsLoopback()
}
