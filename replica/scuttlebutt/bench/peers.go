package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/npmpeer"
)

// value makes a change of 200 bytes, with its key.
var value = strings.Repeat("v", 200-len(`["k12345",""]`))

type bench struct {
	npm npmpeer.Installed
	dir string // of the keys
}

func newBench() (*bench, error) {
	npm, err := npmpeer.Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hearsay-bench-")
	return &bench{npm, dir}, err
}

func (b *bench) close() { os.RemoveAll(b.dir) }

// start starts an npm peer, with n updates and listening unless n is 0.
func (b *bench) start(ctx context.Context, id string, n int, security *npmpeer.Security) (p *npmpeer.Peer, clock scuttlebutt.Clock, addr string, err error) {
	if p, err = b.npm.Start(ctx, "model", id, security); err != nil || n == 0 {
		return p, nil, "", err
	}
	if err = p.Do("fill", []any{n, value}, &clock); err == nil {
		addr, err = p.Listen(nil)
	}
	return p, clock, addr, err
}

// model returns one of our nodes with n updates.
func model(ctx context.Context, id string, n int) (*scuttlebutt.Model, error) {
	m, err := scuttlebutt.NewModel(scuttlebutt.Config{ID: id})
	if err != nil {
		return nil, err
	}
	quoted := json.RawMessage(`"` + value + `"`)
	for i := range n {
		if _, err := m.Set(ctx, fmt.Sprintf("k%d", i), quoted); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// serve has a node of ours with n updates listen.
func serve(ctx context.Context, n int) (clock scuttlebutt.Clock, addr string, stop func(), err error) {
	m, err := model(ctx, "A", n)
	if err != nil {
		return nil, "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		m.Serve(ctx, ln, scuttlebutt.SyncConfig{})
		close(done)
	}()
	return m.Clock(), ln.Addr().String(), func() { cancel(); <-done }, nil
}

func (b *bench) npmToNPM(ctx context.Context, n int) (time.Duration, error) {
	return b.betweenNPM(ctx, n, nil)
}

func (b *bench) betweenNPM(ctx context.Context, n int, security []*npmpeer.Security) (time.Duration, error) {
	if security == nil {
		security = make([]*npmpeer.Security, 2)
	}
	from, clock, addr, err := b.start(ctx, "A", n, security[0])
	if err != nil {
		return 0, err
	}
	defer from.Stop()
	to, _, _, err := b.start(ctx, "B", 0, security[1])
	if err != nil {
		return 0, err
	}
	defer to.Stop()
	return fetch(to, addr, clock)
}

// fetch measures how long an npm peer takes to get to a clock.
func fetch(to *npmpeer.Peer, addr string, clock scuttlebutt.Clock) (time.Duration, error) {
	if err := to.Do("clock", nil, nil); err != nil { // it has started
		return 0, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	err = errors.Join(to.Do("connect", map[string]any{"port": port}, nil), to.Do("when", clock, nil))
	return time.Since(began), err
}

func (b *bench) npmToGo(ctx context.Context, n int) (time.Duration, error) {
	from, _, addr, err := b.start(ctx, "A", n, nil)
	if err != nil {
		return 0, err
	}
	defer from.Stop()
	return fetchModel(ctx, addr, n)
}

// fetchModel measures how long a node of ours takes to get n updates.
func fetchModel(ctx context.Context, addr string, n int) (time.Duration, error) {
	to, err := model(ctx, "B", 0)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done, synced := make(chan error, 1), make(chan struct{})
	go func() { done <- to.Sync(ctx, conn, scuttlebutt.SyncConfig{OnSync: func() { close(synced) }}) }()
	select {
	case <-synced:
	case err := <-done:
		return 0, err
	}
	took := time.Since(began)
	cancel()
	<-done
	if got := to.Stats().Updates; got != n {
		return 0, fmt.Errorf("%d updates of %d have arrived", got, n)
	}
	return took, nil
}

func (b *bench) goToNPM(ctx context.Context, n int) (time.Duration, error) {
	clock, addr, stop, err := serve(ctx, n)
	if err != nil {
		return 0, err
	}
	defer stop()
	to, _, _, err := b.start(ctx, "B", 0, nil)
	if err != nil {
		return 0, err
	}
	defer to.Stop()
	return fetch(to, addr, clock)
}

func (b *bench) goToGo(ctx context.Context, n int) (time.Duration, error) {
	_, addr, stop, err := serve(ctx, n)
	if err != nil {
		return 0, err
	}
	defer stop()
	return fetchModel(ctx, addr, n)
}

func (b *bench) npmToNPMSigned(ctx context.Context, n int) (time.Duration, error) {
	security := make([]*npmpeer.Security, 2)
	var peers []string
	for i, name := range []string{"a", "b"} {
		private, public := filepath.Join(b.dir, name), filepath.Join(b.dir, name+".pem")
		if err := newKey(private, public); err != nil {
			return 0, err
		}
		peers = append(peers, public)
		security[i] = &npmpeer.Security{Private: private, Public: public}
	}
	for _, s := range security {
		s.Peers = peers
	}
	return b.betweenNPM(ctx, n, security)
}

func newKey(private, public string) error {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	for path, block := range map[string]*pem.Block{
		private: {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)},
		public:  {Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.PublicKey)},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
