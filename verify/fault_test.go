package verify_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/verify"
)

// keyServer is a key server as its client sees it, and what is wrong with it.
type keyServer struct {
	list []byte
	have map[keys.NodeID]keys.PublicKey

	mu    sync.Mutex // guards fault
	fault func(r *http.Request) (body io.Reader, err error)
}

func newKeyServer(t *testing.T, admitted ...*author) (*keyServer, keys.NodeID) {
	t.Helper()
	s := &keyServer{have: map[keys.NodeID]keys.PublicKey{}}
	now := time.Now().Truncate(time.Second)
	l := &roster.List{Version: 1, Issued: now, Expires: now.Add(48 * time.Hour)}
	for _, a := range admitted {
		s.have[a.key.ID()] = a.key
		l.Entries = append(l.Entries, roster.Entry{ID: a.key.ID()})
	}
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	admin := newAuthor(t, 1<<20)
	if s.list, err = roster.Seal(text, admin.key, admin.sign(roster.Namespace, text)); err != nil {
		t.Fatal(err)
	}
	return s, admin.key.ID()
}

func (s *keyServer) set(fault func(*http.Request) (io.Reader, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// RoundTrip implements http.RoundTripper.
func (s *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	var body io.Reader
	var err error
	if fault != nil {
		body, err = fault(r)
	} else {
		body = s.answer(r)
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(body), Request: r}, nil
}

// answer is that of a server that is well.
func (s *keyServer) answer(r *http.Request) io.Reader {
	if r.Method == http.MethodGet {
		return bytes.NewReader(s.list)
	}
	return strings.NewReader(s.keys(r))
}

// keys answers a request for keys.
func (s *keyServer) keys(r *http.Request) string {
	asked, _ := io.ReadAll(r.Body)
	var out strings.Builder
	for line := range strings.Lines(string(asked)) {
		id, err := keys.ParseNodeID(strings.TrimSpace(line))
		if k, ok := s.have[id]; err == nil && ok {
			out.WriteString(k.String() + "\n")
		}
	}
	return out.String()
}

// pipeline is one that asks s, as a node does: what s has said is kept in dir, and in a
// cache in front.
func (s *keyServer) pipeline(t *testing.T, admin keys.NodeID, dir string) *verify.Pipeline {
	t.Helper()
	store, err := remote.Open(remote.Config{URL: "http://keys", Signer: admin, Dir: dir, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ks := cache.New(store, cache.Config{})
	t.Cleanup(func() { ks.Close() })
	p := verify.New(verify.Admitted(ks), verify.Config{Workers: 1})
	t.Cleanup(func() { p.Close() })
	return p
}

// after waits as a server does that takes its time.
func after(r *http.Request, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
}

// heap returns the bytes that are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestKeystoreFaults lets a key server fail for an hour when another author comes,
// whose key is not known yet. Its runs wait, in order; the others flow at once; when the
// server is well again all is applied, once, within one pause.
func TestKeystoreFaults(t *testing.T) {
	const others, runs = 20, 3
	stranger := newAuthor(t, 1<<21).key
	for name, fault := range map[string]func(s *keyServer, r *http.Request) (io.Reader, error){
		"down": func(*keyServer, *http.Request) (io.Reader, error) {
			return nil, errors.New("connection refused")
		},
		"slow": func(s *keyServer, r *http.Request) (io.Reader, error) {
			return s.answer(r), after(r, 30*time.Second)
		},
		"silent": func(_ *keyServer, r *http.Request) (io.Reader, error) {
			return nil, after(r, 1000*time.Hour)
		},
		"wrong id": func(s *keyServer, _ *http.Request) (io.Reader, error) {
			return strings.NewReader(stranger.String() + "\n"), nil
		},
		"garbage": func(*keyServer, *http.Request) (io.Reader, error) {
			return strings.NewReader("<html>\x00\xff"), nil
		},
		"10 MiB": func(s *keyServer, r *http.Request) (io.Reader, error) {
			if r.Method == http.MethodGet {
				return s.answer(r), nil
			}
			return bytes.NewReader(make([]byte, 10<<20)), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				authors := make([]*author, others+1)
				for i := range authors {
					authors[i] = newAuthor(t, uint64(i))
				}
				last := authors[others]
				s, admin := newKeyServer(t, authors...)
				p := s.pipeline(t, admin, dir)

				othersFlow := func(rounds int) {
					t.Helper()
					start := time.Now()
					for range rounds {
						for _, a := range authors[:others] {
							submit(t, p, a.run(1, 10), a)
						}
						for range others {
							if res := <-p.Results(); res.Verdict != verify.Accept || res.Tag == last {
								t.Fatalf("got %v: %v", res.Verdict, res.Err)
							}
						}
					}
					if d := time.Since(start); d > 10*time.Millisecond {
						t.Errorf("the others took %v", d)
					}
				}
				othersFlow(1) // their keys are known now
				s.set(func(r *http.Request) (io.Reader, error) { return fault(s, r) })
				for range runs {
					submit(t, p, last.run(1, 10), last)
				}
				before := heap()
				for range 4 {
					time.Sleep(15 * time.Minute)
					othersFlow(1)
				}
				if after := heap(); after > before+4<<20 {
					t.Errorf("an hour of it takes %d MiB", (after-before)>>20)
				}
				if w := p.Waiting(); w.Authors != 1 || w.Runs != runs {
					t.Errorf("waiting: %+v, want %d runs of one author", w, runs)
				}
				none(t, p)

				s.set(nil)
				start := time.Now()
				for seq := uint64(1); seq <= runs; seq++ {
					want(t, <-p.Results(), verify.Accept, seq, nil)
				}
				if d := time.Since(start); d > 45*time.Second+10*time.Second {
					t.Errorf("recovered after %v, want one pause (45 s) and the request that was out", d)
				}
				othersFlow(1)
				none(t, p)
			})
		})
	}
}

// TestKeystoreFlaps: a server that is up for 5 s of each minute is enough, and nothing is
// applied twice.
func TestKeystoreFlaps(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, b := newAuthor(t, 1), newAuthor(t, 2)
		s, admin := newKeyServer(t, a, b)
		born := time.Now()
		s.set(func(r *http.Request) (io.Reader, error) {
			if up := time.Since(born)%time.Minute < 5*time.Second; !up {
				return nil, errors.New("connection refused")
			}
			return s.answer(r), nil
		})
		p := s.pipeline(t, admin, dir)
		submit(t, p, a.run(1, 10), nil)
		want(t, <-p.Results(), verify.Accept, 1, nil)
		time.Sleep(20 * time.Second) // it is down
		for range 5 {
			submit(t, p, b.run(1, 10), nil)
		}
		start := time.Now()
		for seq := uint64(1); seq <= 5; seq++ {
			want(t, <-p.Results(), verify.Accept, seq, nil)
		}
		if d := time.Since(start); d > time.Hour {
			t.Errorf("it took %v", d)
		}
		for i := range uint64(60) {
			time.Sleep(time.Minute)
			submit(t, p, a.run(1, 10), nil)
			want(t, <-p.Results(), verify.Accept, 2+i, nil)
		}
		none(t, p)
	})
}

// TestNotFoundIsRejectedAtOnce: an id that the list does not name waits for nobody.
func TestNotFoundIsRejectedAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a, stranger := newAuthor(t, 1), newAuthor(t, 2)
		s, admin := newKeyServer(t, a)
		p := s.pipeline(t, admin, dir)
		submit(t, p, a.run(1, 10), nil)
		want(t, <-p.Results(), verify.Accept, 1, nil)
		s.set(func(r *http.Request) (io.Reader, error) { return nil, after(r, time.Hour) })
		start := time.Now()
		submit(t, p, stranger.run(1, 10), nil)
		want(t, <-p.Results(), verify.Reject, 1, verify.ErrNotAdmitted)
		if d := time.Since(start); d > 10*time.Millisecond {
			t.Errorf("it took %v", d)
		}
	})
}
