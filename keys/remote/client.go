package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keyhttp"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// maxHeader bounds the headers of an answer, in bytes.
const maxHeader = 16 << 10

// client speaks to the server.
type client struct {
	base string
	http *http.Client
}

func newClient(base string, cfg Config) client {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableCompression:     true, // what is small on the way could be large here
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           4,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    cfg.Timeout,
			ForceAttemptHTTP2:      true,
		}
	}
	return client{base, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// list returns the signed list, nil if it is known still. The ETag is known's own, not what
// the server said: with "*", or that of a later list, one lie would outlive the liar.
func (c client) list(ctx context.Context, known []byte) (signed []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+keyhttp.PathList, nil)
	if err != nil {
		return nil, err
	}
	if known != nil {
		req.Header.Set("If-None-Match", keyhttp.ETag(known))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && known != nil {
		return nil, nil
	}
	return readBody(resp, roster.MaxSize)
}

// fetch asks for the keys of ids, at most keyhttp.MaxBatch, and returns the body.
func (c client) fetch(ctx context.Context, ids []keys.NodeID) ([]byte, error) {
	var body bytes.Buffer
	for _, id := range ids {
		body.WriteString(id.String() + "\n")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+keyhttp.PathKeys, &body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return readBody(resp, keyhttp.MaxAnswer)
}

// readBody reads an answer of at most so many bytes.
func readBody(resp *http.Response, most int64) ([]byte, error) {
	status := fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)) // in our words, not its own
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified:
		return nil, fmt.Errorf("the server redirects (%s), which is refused: give the URL that it redirects to", status)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answers %q", status)
	case resp.ContentLength > most:
		return nil, fmt.Errorf("the answer has %d bytes, at most %d are read", resp.ContentLength, most)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("the answer is cut short: %w", err)
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return body, nil
}

// fetch fetches keys of admitted ids. The error says why there was no answer to some.
func (s *Store) fetch(ctx context.Context, ids []keys.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	for len(ids) > 0 {
		n := min(len(ids), keyhttp.MaxBatch)
		body, err := s.web.fetch(ctx, ids[:n])
		if err != nil {
			return err
		}
		got, problem := parseKeys(body, ids[:n])
		s.keep(ids[:n], got, problem)
		ids = ids[n:]
	}
	return nil
}

// parseKeys reads keys, a line each, and takes those of the ids that were asked for.
// The problem is why a line was passed over.
func parseKeys(body []byte, ids []keys.NodeID) (got map[keys.NodeID]keys.PublicKey, problem error) {
	asked := make(map[keys.NodeID]bool, len(ids))
	for _, id := range ids {
		asked[id] = true
	}
	got = make(map[keys.NodeID]keys.PublicKey)
	for line := range strings.Lines(string(body)) {
		k, _, err := keys.ParseAuthorizedKey([]byte(line))
		switch {
		case err != nil:
			problem = fmt.Errorf("the server answers with what is no key: %w", err)
		case !asked[k.ID()]:
			problem = fmt.Errorf("the server answers with the key of %v, which was not asked for", k.ID())
		default:
			got[k.ID()] = k
		}
	}
	return got, problem
}

// keep takes keys over, as far as they are admitted now.
func (s *Store) keep(ids []keys.NodeID, got map[keys.NodeID]keys.PublicKey, problem error) {
	if problem == nil {
		problem = errors.New("the key server has not got it")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		k, ok := got[id]
		_, admitted := s.admitted[id]
		switch {
		case !admitted:
		case ok:
			delete(s.missing, id)
			s.keys[id], s.unsaved = k, true
		default:
			if s.missing[id] == nil {
				s.cfg.Log.Warn("no key of an admitted id", "server", s.cfg.URL, "id", id, "err", problem)
			}
			s.missing[id] = problem
		}
	}
}
