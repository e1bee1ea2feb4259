package remote_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
)

var (
	_ keys.Keystore = (*remote.Store)(nil)
	_ keys.Windowed = (*remote.Store)(nil)
	_ keys.Batcher  = (*remote.Store)(nil)
	_ keys.Notifier = (*remote.Store)(nil)
	_ keys.Lister   = (*remote.Store)(nil)
	_ io.Closer     = (*remote.Store)(nil)
)

const adminKey, thiefKey = 1000, 1001

func adminID(t testing.TB) keys.NodeID { return keytest.Key(t, adminKey).ID() }

func sealed(t testing.TB, by int, l *roster.List) []byte {
	t.Helper()
	return keytest.NewSigner(t, by).Seal(t, l)
}

// listOf is good for an hour from now.
func listOf(version uint64, admitted ...keys.PublicKey) *roster.List {
	ids := make([]keys.NodeID, len(admitted))
	for i, k := range admitted {
		ids[i] = k.ID()
	}
	return keytest.List(version, time.Now(), ids...)
}

// service is a key server that can be made to misbehave.
type service struct {
	mu     sync.Mutex // guards the rest
	handle http.HandlerFunc
	asked  []string // method and path of each request
}

func (s *service) set(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = h
}

func (s *service) count(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.HasPrefix(a, what) {
			n++
		}
	}
	return n
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	h := s.handle
	s.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	http.Error(w, "down", http.StatusBadGateway)
}

// offer serves a list, and keys.
func (s *service) offer(signed []byte, have ...keys.PublicKey) {
	s.set(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/list" {
			sum := sha256.Sum256(signed)
			w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(signed))
			return
		}
		body, _ := io.ReadAll(r.Body)
		for _, k := range have {
			if strings.Contains(string(body), k.ID().String()) {
				io.WriteString(w, k.String()+"\n")
			}
		}
	})
}

// pipes is a listener in memory: what waits on it waits in the bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bench is a service and what a store needs to reach it, in a bubble.
type bench struct {
	*service
	t   *testing.T
	cfg remote.Config
	log *keytest.Log
}

func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, p := &service{}, &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		srv := &http.Server{Handler: s}
		var serving sync.WaitGroup
		serving.Go(func() { srv.Serve(p) })
		defer serving.Wait()
		defer srv.Shutdown(context.Background())
		transport := &http.Transport{DialContext: p.dial}
		defer transport.CloseIdleConnections()
		log := new(keytest.Log)
		f(t, &bench{s, t, remote.Config{URL: "http://keys.example", Signer: adminID(t), Dir: dir,
			Transport: transport, Log: slog.New(slog.NewTextHandler(log, nil))}, log})
	})
}

func (b *bench) open() *remote.Store {
	b.t.Helper()
	s, err := remote.Open(b.cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func wantProblem(t *testing.T, s *remote.Store, want error) {
	t.Helper()
	if p := s.Problems(); len(p) != 1 || !errors.Is(p[0], want) {
		t.Errorf("problems: %v; want one: %v", p, want)
	}
}

// look lets the next look at the list pass.
func look() {
	time.Sleep(70 * time.Second)
	synctest.Wait()
}
