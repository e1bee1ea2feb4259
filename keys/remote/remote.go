// Package remote is a keystore at a key server (package server).
//
// The server is trusted for nothing. Who is admitted is what the signed list says
// (package roster), and only if the configured signer has signed it; a key is taken if
// it hashes to its id. What a server can do is withhold, and that is noticed:
//
//   - A list of a lower version than one that was seen before is refused (rollback), and
//     so is another list of the same version. The newest list is kept in a file, so that
//     this holds over a restart too, and an outage can be lived through from its start.
//   - When the list has expired (freeze, or a forgetful administrator), no id is
//     admitted or refused any more: all are unavailable until there is a new one.
//
// [Store.Problems] says what is wrong at the moment, and the log says it once.
//
// The list is fetched at intervals, at no cost while it is the same (ETag), and looked
// at between; keys are fetched when they are first wanted, many in one request, and
// kept, over a restart too, as long as the list names them. Answers are bounded in time and size, redirects
// and compressed answers refused. A look-up that needs no key does not wait, but for
// the first list.
package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// Defaults of Config.
const (
	defaultRefresh = 10 * time.Second
	defaultTimeout = 10 * time.Second

	// maxPause bounds the pause between two looks, which doubles while they fail.
	maxPause = time.Minute
)

var errClosed = errors.New("keys/remote: closed")

// What a server can be caught at. Problems returns errors that wrap them.
var (
	// ErrRollback: the server offers an older list than one that was seen, or another
	// one of the same version.
	ErrRollback = errors.New("rollback")
	// ErrFreeze: the newest list that the server offers has expired.
	ErrFreeze = errors.New("expired")
)

// Config says where the keys are. URL, Signer and Dir are required.
type Config struct {
	// URL of the server, http or https. What it says is signed either way.
	URL string
	// Signer is the key whose lists are believed.
	Signer keys.NodeID
	// Dir is an existing directory that keeps the newest list and its keys, for this signer.
	Dir string
	// Refresh is the pause between two looks at the list, give or take a tenth, and longer,
	// up to a minute, while they fail. Default 10 s.
	Refresh time.Duration
	// Timeout bounds a request with its answer. Default 10 s.
	Timeout time.Duration
	// Transport makes the requests. Nil: one of its own.
	Transport http.RoundTripper
	// Log receives what an operator should know. Nil discards.
	Log *slog.Logger
}

func (c *Config) check() (base string, err error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("keys/remote: %q is no URL of a key server (want https://HOST or http://HOST:PORT)", c.URL)
	}
	if c.Signer.IsZero() {
		return "", errors.New("keys/remote: Config.Signer is required: without it no list can be believed")
	}
	c.Refresh = cmp.Or(c.Refresh, defaultRefresh)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// Store is a keystore at a key server. It implements keys.Keystore, keys.Windowed,
// keys.Batcher, keys.Notifier, keys.Lister and io.Closer, and is safe for concurrent use.
type Store struct {
	cfg    Config
	web    client
	root   *os.Root
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	ready  chan struct{} // closed when there is a list, or the first look has failed
	first  sync.Once     // closes ready

	mu       sync.Mutex // guards what follows
	closed   bool
	list     *roster.List // the newest that was seen, nil before the first
	signed   []byte       // it, as signed
	admitted map[keys.NodeID]keys.Windows
	keys     map[keys.NodeID]keys.PublicKey // of admitted ids, as far as they were wanted
	trouble  error                          // with the list, as of the last look
	expired  bool                           // and said so
	missing  map[keys.NodeID]error          // why an admitted id has no key
	unsaved  bool                           // keys has more than its file
	changed  chan struct{}                  // nil when nobody waits
}

// Open reads the list that was kept and follows the server until Close. It does not
// wait for the server.
func Open(cfg Config) (*Store, error) {
	base, err := cfg.check()
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("keys/remote: %w", err)
	}
	s := &Store{
		cfg: cfg, web: newClient(base, cfg), root: root, ready: make(chan struct{}),
		admitted: make(map[keys.NodeID]keys.Windows),
		keys:     make(map[keys.NodeID]keys.PublicKey),
		missing:  make(map[keys.NodeID]error),
	}
	if err := s.restore(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.tasks.Go(s.follow)
	return s, nil
}

// Close ends all requests, and waits for them. Every later call fails.
func (s *Store) Close() error {
	s.mu.Lock()
	before := s.closed
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.tasks.Wait()
	if before {
		return nil
	}
	s.saveKeys()
	s.web.http.CloseIdleConnections()
	return s.root.Close()
}

// follow looks at the list again and again, and when it expires.
func (s *Store) follow() {
	pause := s.cfg.Refresh
	for {
		if s.refresh() {
			pause = s.cfg.Refresh
		} else {
			pause = min(2*pause, max(s.cfg.Refresh, maxPause))
		}
		s.saveKeys()
		s.first.Do(func() { close(s.ready) })
		if !s.wait(time.Duration(float64(pause) * (0.9 + 0.2*rand.Float64()))) {
			return
		}
	}
}

// wait lets d pass, and says when the list expires meanwhile. It returns false when the
// store is closed.
func (s *Store) wait(d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		var expiry <-chan time.Time
		if left, ok := s.untilExpiry(); ok {
			t := time.NewTimer(left)
			defer t.Stop()
			expiry = t.C
		}
		select {
		case <-s.ctx.Done():
			return false
		case <-over.C:
			return true
		case <-expiry:
			s.mu.Lock()
			s.noteExpiryLocked()
			s.mu.Unlock()
		}
	}
}

// untilExpiry returns how long the list is good, unless it was said to have expired.
func (s *Store) untilExpiry() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil || s.expired {
		return 0, false
	}
	return max(0, time.Until(s.list.Expires)), true
}

// noteExpiryLocked says once that the list has expired.
func (s *Store) noteExpiryLocked() {
	if s.list == nil || s.expired || time.Now().Before(s.list.Expires) {
		return
	}
	s.expired = true
	s.cfg.Log.Warn("the key server's list has expired: no key is admitted or refused before there is a new one", "server", s.cfg.URL, "err", s.freezeLocked())
	s.notifyLocked()
}

func (s *Store) freezeLocked() error {
	return fmt.Errorf("keys/remote: list %d %w at %s: the administrator has signed no newer one, or the server withholds it: %w",
		s.list.Version, ErrFreeze, s.list.Expires.UTC().Format(time.RFC3339), keys.ErrExpired)
}

// Lookup implements keys.Keystore.
func (s *Store) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := s.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements keys.Windowed.
func (s *Store) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	got := s.LookupAll(ctx, []keys.NodeID{id})[0]
	return got.Admission, got.Err
}

// LookupAll implements keys.Batcher. One request fetches the keys of 256 ids.
func (s *Store) LookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	answers := make([]keys.Answer, len(ids))
	select {
	case <-s.ready:
	case <-ctx.Done():
		for i := range answers {
			answers[i].Err = fmt.Errorf("keys/remote: %w", context.Cause(ctx))
		}
		return answers
	}
	var fetch []keys.NodeID
	s.mu.Lock()
	for i, id := range ids {
		answers[i] = s.answerLocked(id)
		if answers[i].Err == errNoKey {
			fetch = append(fetch, id)
		}
	}
	s.mu.Unlock()
	if len(fetch) == 0 {
		return answers
	}
	why := s.fetch(ctx, fetch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		if answers[i].Err != errNoKey {
			continue
		}
		if answers[i] = s.answerLocked(id); answers[i].Err == errNoKey {
			answers[i].Err = fmt.Errorf("keys/remote: the key of %v: %w", id, cmp.Or(why, s.missing[id], errNoKey))
		}
	}
	return answers
}

var errNoKey = errors.New("the key server has not given it")

// answerLocked answers from what is known. The error is errNoKey when only the key is
// missing.
func (s *Store) answerLocked(id keys.NodeID) keys.Answer {
	if err := s.usableLocked(); err != nil {
		return keys.Answer{Err: err}
	}
	windows, ok := s.admitted[id]
	if !ok {
		return keys.Answer{Err: keys.ErrUnknown}
	}
	k, ok := s.keys[id]
	if !ok {
		return keys.Answer{Err: errNoKey}
	}
	return keys.Answer{Admission: keys.Admission{Key: k, Windows: windows}}
}

// usableLocked says why there is no list to answer from.
func (s *Store) usableLocked() error {
	switch {
	case s.closed:
		return errClosed
	case s.list == nil && s.trouble != nil:
		return fmt.Errorf("keys/remote: there is no list yet: %w", s.trouble)
	case s.list == nil:
		return errors.New("keys/remote: there is no list yet")
	case !time.Now().Before(s.list.Expires):
		return s.freezeLocked()
	}
	return nil
}

// List implements keys.Lister, in the order of keys.NodeID.Compare.
func (s *Store) List(context.Context) ([]keys.NodeID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return nil, err
	}
	ids := make([]keys.NodeID, 0, len(s.admitted))
	for id := range s.admitted {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, keys.NodeID.Compare)
	return ids, nil
}

// Changed implements keys.Notifier: another list, or one that expires.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *Store) notifyLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Problems says what is wrong at the moment: with the list, and with keys that it names,
// at most 100 of them.
func (s *Store) Problems() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []error
	if s.trouble != nil {
		out = append(out, fmt.Errorf("keys/remote: %w", s.trouble))
	}
	if s.list != nil && !time.Now().Before(s.list.Expires) {
		out = append(out, s.freezeLocked())
	}
	for id, err := range s.missing {
		if len(out) < 100 {
			out = append(out, fmt.Errorf("keys/remote: the key of %v: %w", id, err))
		}
	}
	return out
}

// Followed returns the list that is followed, which must not be changed; nil before the
// first.
func (s *Store) Followed() *roster.List {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}
