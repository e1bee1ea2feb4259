package link

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
)

// Address is where a peer is dialed, and who must answer.
type Address struct {
	ID       keys.NodeID // the id that the link must prove; zero: anyone's
	HostPort string      // host:port
}

// ParseAddress reads "[ID@]HOST:PORT". The host is a name or an IP address (IPv6
// in brackets), the port a number.
func ParseAddress(s string) (Address, error) {
	var a Address
	hostPort := s
	if id, rest, ok := strings.Cut(s, "@"); ok {
		parsed, err := keys.ParseNodeID(id)
		if err != nil {
			return Address{}, fmt.Errorf("link: address %q: %w", clip(s), err)
		}
		a.ID, hostPort = parsed, rest
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || strings.ContainsFunc(host, notHost) {
		return Address{}, fmt.Errorf("link: address %q: want [ID@]HOST:PORT", clip(s))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Address{}, fmt.Errorf("link: address %q: the port is a number up to 65535", clip(s))
	}
	a.HostPort = net.JoinHostPort(host, port)
	return a, nil
}

func notHost(r rune) bool { return r <= ' ' || r == 0x7f || r == '@' || r == '/' }

// String returns the form that ParseAddress reads.
func (a Address) String() string {
	if a.ID.IsZero() {
		return a.HostPort
	}
	return a.ID.String() + "@" + a.HostPort
}

// clip shortens input for an error message.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
