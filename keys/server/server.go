// Package server hands public keys and a signed list of admitted ids out over HTTP. It
// holds no secret: who is admitted is what the list's signer says (package roster), and
// a key is checked against its id by who fetches it (package remote).
//
//	GET  /v1/list      the signed list; ETag, If-None-Match
//	GET  /v1/keys/ID   the key of an id as an authorized_keys line; 404 if it has none
//	POST /v1/keys      ids, a line each, at most 256; the keys of those that it has, a line each
//
// The list is a file that is followed: a new one is served within a second. One that
// nobody has signed, or of a lower version than the one before, is not.
package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keyhttp"
	"github.com/hearsaynet/hearsay/keys/internal/watch"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// Server is an http.Handler. It is safe for concurrent use.
type Server struct {
	ks   keys.Keystore
	log  *slog.Logger
	mux  *http.ServeMux
	file watch.File    // used by New, then by follow only
	done chan struct{} // closed by Close
	poll sync.WaitGroup
	once sync.Once

	mu      sync.RWMutex // guards what follows
	signed  []byte       // nil while there is no list
	etag    string
	version uint64
	trouble string // that was logged last
}

// New serves the keys that ks has and the signed list in the file at path, which need
// not be there yet, and follows the file until Close. It does not close ks. A nil log
// discards.
func New(ks keys.Keystore, path string, log *slog.Logger) *Server {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{ks: ks, log: log, mux: http.NewServeMux(), file: watch.File{Path: path, Max: roster.MaxSize}, done: make(chan struct{})}
	s.mux.HandleFunc("GET "+keyhttp.PathList, s.serveList)
	s.mux.HandleFunc("GET "+keyhttp.PathKeys+"/{id}", s.serveKey)
	s.mux.HandleFunc("POST "+keyhttp.PathKeys, s.serveKeys)
	s.look()
	s.poll.Go(s.follow)
	return s
}

// Close ends the following of the list, and waits for it.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.done) })
	s.poll.Wait()
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r)
}

func (s *Server) follow() {
	tick := time.NewTicker(watch.Interval)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			s.look()
		}
	}
}

// look takes a new list over, or says why not.
func (s *Server) look() {
	signed, changed, err := s.file.Look()
	if errors.Is(err, watch.ErrMoving) || err == nil && !changed {
		return
	}
	if err == nil {
		err = s.take(signed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.trouble && err != nil {
		s.log.Warn("no new list of admitted ids", "file", s.file.Path, "err", err)
	}
	s.trouble = text
}

func (s *Server) take(signed []byte) error {
	text, by, err := roster.Split(signed)
	if err != nil {
		return err
	}
	l, err := roster.Parse(text)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.Version < s.version {
		return fmt.Errorf("version %d comes after version %d", l.Version, s.version)
	}
	s.signed, s.version, s.etag = signed, l.Version, keyhttp.ETag(signed)
	s.log.Info("list of admitted ids", "version", l.Version, "ids", len(l.Entries), "expires", l.Expires, "signer", by.ID())
	return nil
}

// List returns the signed list that is served, and nil if there is none.
func (s *Server) List() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.signed
}

func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	signed, etag := s.signed, s.etag
	s.mu.RUnlock()
	if signed == nil {
		http.Error(w, "no list yet", http.StatusNotFound)
		return
	}
	setText(w)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(signed))
}

func (s *Server) serveKey(w http.ResponseWriter, r *http.Request) {
	id, err := keys.ParseNodeID(r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k, err := s.ks.Lookup(r.Context(), id)
	switch {
	case errors.Is(err, keys.ErrUnknown):
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "no such key", http.StatusNotFound)
	case err != nil:
		s.log.Warn("a key cannot be read", "id", id, "err", err)
		http.Error(w, "the key cannot be read now", http.StatusServiceUnavailable)
	default:
		setText(w)
		w.Header().Set("ETag", `"`+id.String()+`"`)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(k.String()+"\n"))
	}
}

func (s *Server) serveKeys(w http.ResponseWriter, r *http.Request) {
	ids, err := readIDs(http.MaxBytesReader(w, r.Body, keyhttp.MaxRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer bytes.Buffer
	for _, id := range ids {
		k, err := s.ks.Lookup(r.Context(), id)
		switch {
		case errors.Is(err, keys.ErrUnknown):
		case err != nil:
			s.log.Warn("a key cannot be read", "id", id, "err", err)
		default:
			answer.WriteString(k.String() + "\n")
		}
	}
	setText(w)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(answer.Bytes())
}

func readIDs(body interface{ Read([]byte) (int, error) }) (ids []keys.NodeID, err error) {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if len(ids) == keyhttp.MaxBatch {
			return nil, fmt.Errorf("more than %d ids", keyhttp.MaxBatch)
		}
		id, err := keys.ParseNodeID(lines.Text())
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("the request cannot be read, or is too large")
	}
	return ids, nil
}

func setText(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain; charset=utf-8") }
