package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
)

// openLinks listens, and starts to dial the configured peers.
func (n *Node) openLinks(context.Context) error {
	peers, err := parsePeers(n.opts.Peers)
	if err != nil {
		return err
	}
	n.listeners, err = listen(n.opts.Listen)
	if err != nil {
		return err
	}
	var c carrier = n.relay
	if n.relay == nil {
		c = fixed(n.replicas())
	}
	n.links = newLinks(c, peers, n.opts.Peers, n.log)
	n.links.one = replica.SyncConfig{SendOnly: n.opts.SendOnly, ReceiveOnly: n.opts.ReceiveOnly, SendClock: n.opts.SendClock}
	ep, err := link.New(link.Config{Signer: n.id, Log: n.log})
	if err != nil {
		closeAll(n.listeners)
		return fmt.Errorf("node: %w", err)
	}
	var tasks sync.WaitGroup
	for _, ln := range n.listeners {
		tasks.Go(func() {
			if err := ep.Serve(n.ctx, ln, n.links.holdAccepted); err != nil && n.ctx.Err() == nil {
				n.fail(fmt.Errorf("node: listening on %v: %w", ln.Addr(), err))
			}
		})
	}
	for _, p := range n.links.dialed {
		tasks.Go(func() { n.links.maintain(n.ctx, ep, p) })
	}
	n.onClose(func() error {
		n.cancel() // Serve and Maintain end, and their sessions
		err := ep.Close()
		tasks.Wait()
		return err
	})
	return nil
}

func parsePeers(peers []string) ([]link.Address, error) {
	var out []link.Address
	for _, s := range peers {
		a, err := link.ParseAddress(s)
		if err != nil {
			return nil, fmt.Errorf("node: peer: %w", err)
		}
		out = append(out, a)
	}
	return out, nil
}

// listen opens the asked addresses, or the first free one from the default on.
func listen(asked []string) ([]net.Listener, error) {
	if asked == nil {
		ln, err := listenDefault()
		if err != nil {
			return nil, fmt.Errorf("node: listen: %w", err)
		}
		return []net.Listener{ln}, nil
	}
	var out []net.Listener
	for _, addr := range asked {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			closeAll(out)
			return nil, fmt.Errorf("node: %w", err)
		}
		out = append(out, ln)
	}
	return out, nil
}

func listenDefault() (net.Listener, error) {
	host, port, err := net.SplitHostPort(DefaultAddress)
	if err != nil {
		return nil, err
	}
	first, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	for p := first; ; p++ {
		if p == first+portTries {
			p = 0 // any
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p)))
		if err == nil || p == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return ln, err
		}
	}
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// ListenAddrs returns the addresses that the node listens on, HOST:PORT.
func (n *Node) ListenAddrs() []string {
	out := make([]string, len(n.listeners))
	for i, ln := range n.listeners {
		out[i] = ln.Addr().String()
	}
	return out
}

// JoinLine returns the command that another node joins this one with.
func (n *Node) JoinLine() string {
	line := "hearsay up"
	if addrs := n.ListenAddrs(); len(addrs) > 0 {
		line += " --peer " + n.ID().String() + "@" + reachable(addrs[0])
	}
	if names := n.topicNames(); len(names) > 0 {
		return line + " --topic " + shellQuote(names[0])
	}
	return line + " --topic TOPIC"
}

// reachable replaces an unspecified address by one that others can dial, if there is one.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !net.ParseIP(host).IsUnspecified() {
		return addr
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return addr
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return net.JoinHostPort(ip.IP.String(), port)
		}
	}
	return net.JoinHostPort("localhost", port)
}

// shellQuote quotes what a shell would not take as it is.
func shellQuote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"
	safe := s != ""
	for _, r := range s {
		safe = safe && strings.ContainsRune(plain, r)
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
