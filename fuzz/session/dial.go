package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"

	"github.com/hearsaynet/hearsay/fuzz/internal/loopback"
	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica/link"
)

// ErrNotLoopback is wrapped by the errors about targets that are not on loopback.
var ErrNotLoopback = loopback.Err

// dialer links to the target, each time under a new key.
type dialer struct{ cfg Config }

func newDialer(cfg Config) *dialer { return &dialer{cfg} }

// dial makes a link from an address, nil for any. end closes all that belongs to it.
func (d *dialer) dial(ctx context.Context, from net.IP) (conn *link.Conn, end func(), err error) {
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		return nil, nil, err
	}
	e, err := link.New(link.Config{Signer: key, HandshakeTimeout: d.cfg.Patience, Dial: d.dialer(from).DialContext})
	if err != nil {
		return nil, nil, err
	}
	conn, err = e.Dial(ctx, d.cfg.Target)
	if err != nil {
		e.Close()
		if refused(err) {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil, nil, err
	}
	return conn, func() { e.Close() }, nil
}

func refused(err error) bool {
	he, ok := errors.AsType[*link.HandshakeError](err)
	return ok && (he.Reason == link.ReasonByPeer || he.Reason == link.ReasonBanned)
}

// dialer dials nothing but loopback, unless it may: it looks at the address that a name
// stands for, when it is dialed.
func (d *dialer) dialer(from net.IP) *net.Dialer {
	nd := &net.Dialer{}
	if !d.cfg.InsecureAnyAddress {
		nd.Control = loopback.Control
	}
	if from != nil && d.manyAddresses() {
		nd.LocalAddr = &net.TCPAddr{IP: from}
	}
	return nd
}

// manyAddresses reports whether all of 127.0.0.0/8 is ours to dial from. What has many
// faults from one address refuses that for a while, and it would be fuzzed no more.
func (d *dialer) manyAddresses() bool {
	host, _, err := net.SplitHostPort(d.cfg.Target.HostPort)
	ip, err2 := netip.ParseAddr(host)
	return err == nil && err2 == nil && ip.Is4() && ip.IsLoopback() && runtime.GOOS == "linux"
}

// own is an address of 127.0.0.0/8 for session n, never 127.0.0.1.
func own(seed uint64, n int) net.IP {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	ip := make(net.IP, 4)
	binary.BigEndian.PutUint32(ip, 127<<24|1<<23|r.Uint32N(1<<23))
	return ip
}
