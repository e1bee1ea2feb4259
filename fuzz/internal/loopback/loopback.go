// Package loopback keeps what attacks to this machine.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Err is wrapped by the errors about addresses that are not loopback.
var Err = errors.New("not a loopback address")

// Check returns an error unless HOST:PORT leads to this machine only. Names may mean
// something else later: what is bound and dialed is for Control to look at.
func Check(ctx context.Context, hostPort string) error {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT", hostPort)
	}
	if host == "" {
		return fmt.Errorf("%s: %w", hostPort, Err)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("%s: %w", hostPort, err)
	}
	for _, a := range found {
		if !a.Unmap().IsLoopback() {
			return fmt.Errorf("%s: %w", hostPort, Err)
		}
	}
	return nil
}

// Control is for net.Dialer and net.ListenConfig: it refuses an address, names resolved,
// before it is bound or dialed.
func Control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s: %w", address, Err)
	}
	return nil
}
