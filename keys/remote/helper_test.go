package remote_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
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

func newKey(t testing.TB, n int) (ed25519.PrivateKey, keys.PublicKey) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(n)+1)
	priv := ed25519.NewKeyFromSeed(seed)
	k, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, priv.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return priv, k
}

func publicKey(t testing.TB, n int) keys.PublicKey {
	_, k := newKey(t, n)
	return k
}

const adminKey, thiefKey = 1000, 1001

func adminID(t testing.TB) keys.NodeID { return publicKey(t, adminKey).ID() }

func sealed(t testing.TB, by int, l *roster.List) []byte {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	priv, k := newKey(t, by)
	sig := keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(priv, keys.SignedData(roster.Namespace, sha256.Sum256(text))))
	signed, err := roster.Seal(text, k, sig)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// listOf is good for an hour from now.
func listOf(t testing.TB, version uint64, admitted ...keys.PublicKey) *roster.List {
	now := time.Now().Truncate(time.Second)
	l := &roster.List{Version: version, Issued: now, Expires: now.Add(time.Hour)}
	for _, k := range admitted {
		l.Entries = append(l.Entries, roster.Entry{ID: k.ID()})
	}
	return l
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
	log *logText
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
		log := new(logText)
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

func wantAdmitted(t *testing.T, s *remote.Store, k keys.PublicKey) {
	t.Helper()
	if got, err := s.Lookup(t.Context(), k.ID()); err != nil || got != k {
		t.Errorf("Lookup = %v, %v; want the key", got, err)
	}
}

func wantUnknown(t *testing.T, s *remote.Store, k keys.PublicKey) {
	t.Helper()
	if got, err := s.Lookup(t.Context(), k.ID()); !errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want ErrUnknown", got, err)
	}
}

// wantUnavailable wants an error that says all of says.
func wantUnavailable(t *testing.T, s *remote.Store, k keys.PublicKey, says ...string) {
	t.Helper()
	got, err := s.Lookup(t.Context(), k.ID())
	if err == nil || errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want unavailable", got, err)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func wantProblem(t *testing.T, s *remote.Store, want error) {
	t.Helper()
	if p := s.Problems(); len(p) != 1 || !errors.Is(p[0], want) {
		t.Errorf("problems: %v; want one: %v", p, want)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// look lets the next look at the list pass.
func look() {
	time.Sleep(70 * time.Second)
	synctest.Wait()
}

// logText is written by one goroutine while another reads it.
type logText struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
