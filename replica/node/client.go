package node

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// client is the API of a running node, through its socket.
type client struct {
	dir   *dataDir
	topic string
	http  *http.Client
}

var _ API = (*client)(nil)

func newClient(d *dataDir, topic string) *client {
	transport := &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dialSocket(ctx) },
		MaxIdleConnsPerHost: 64,
		DisableCompression:  true,
	}
	return &client{dir: d, topic: topic, http: &http.Client{Transport: transport}}
}

// Close implements API.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return c.dir.close()
}

// post sends a request and returns the answer.
func (c *client) post(ctx context.Context, op, kind string, body io.Reader) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: "hearsay", Path: apiPath + op, RawQuery: url.Values{"topic": {c.topic}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.trouble(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, badStatus(resp)
	}
	return resp, nil
}

// trouble says what a failed connection means.
func (c *client) trouble(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("node: %w", context.Cause(ctx))
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("node: %w in %s: %w", errNoAnswer, c.dir.path, err)
}

var errNoAnswer = errors.New("the node does not answer")

// items sends a request now and yields what is answered.
func items[T any](ctx context.Context, c *client, op string, q request) iter.Seq2[T, error] {
	if err := q.check(); err != nil {
		return failing[T](fmt.Errorf("node: %w", err))
	}
	body, err := json.Marshal(q)
	if err == nil && len(body) > maxRequest {
		err = fmt.Errorf("%w for a running node: a request of %d bytes, at most %d", replica.ErrTooLarge, len(body), maxRequest)
	}
	if err != nil {
		return failing[T](fmt.Errorf("node: %w", err))
	}
	resp, err := c.post(ctx, op, typeJSON, bytes.NewReader(body))
	if err != nil {
		return failing[T](err)
	}
	return answerItems[T](ctx, c, resp)
}

func answerItems[T any](ctx context.Context, c *client, resp *http.Response) iter.Seq2[T, error] {
	// A caller that does not iterate lets go of the connection with its context.
	return func(yield func(T, error) bool) {
		defer resp.Body.Close()
		var zero T
		dec := json.NewDecoder(resp.Body)
		for {
			var l answered
			if err := dec.Decode(&l); err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = fmt.Errorf("the answer was cut short: %w", ErrClosed)
				}
				yield(zero, c.trouble(ctx, err))
				return
			}
			switch {
			case l.Error != nil:
				yield(zero, l.Error)
				return
			case l.End:
				return
			}
			var item T
			if err := json.Unmarshal(l.Item, &item); err != nil {
				yield(zero, fmt.Errorf("node: answer of the running node: %w", err))
				return
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// untilDone ends a stream without an error when ctx has ended.
func untilDone[T any](ctx context.Context, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if err != nil && ctx.Err() != nil || !yield(v, err) {
				return
			}
		}
	}
}

// ask sends a request that has one answer.
func ask[T any](ctx context.Context, c *client, op string, q request) (answer T, err error) {
	got := false
	for v, err := range items[T](ctx, c, op, q) {
		if err != nil {
			return answer, err
		}
		answer, got = v, true
	}
	if !got {
		return answer, errors.New("node: the running node answers nothing")
	}
	return answer, nil
}

// Status implements API.
func (c *client) Status(ctx context.Context) (*Status, error) {
	return ask[*Status](ctx, c, opStatus, request{})
}

// Set implements API.
func (c *client) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	return ask[wire.Ref](ctx, c, opSet, request{Key: key, Value: value})
}

// SetUntil implements API.
func (c *client) SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error) {
	return ask[wire.Ref](ctx, c, opSet, request{Key: key, Value: value, Expires: expires})
}

// SetMany implements API.
func (c *client) SetMany(ctx context.Context, pairs []Pair) ([]wire.Ref, error) {
	return ask[[]wire.Ref](ctx, c, opSetMany, request{Pairs: pairs})
}

// Delete implements API.
func (c *client) Delete(ctx context.Context, key string) (wire.Ref, error) {
	return ask[wire.Ref](ctx, c, opDelete, request{Key: key})
}

// Get implements API.
func (c *client) Get(ctx context.Context, key string) (Value, error) {
	return ask[Value](ctx, c, opGet, request{Key: key})
}

// Dump implements API.
func (c *client) Dump(ctx context.Context) iter.Seq2[Value, error] {
	return items[Value](ctx, c, opDump, request{})
}

// Watch implements API.
func (c *client) Watch(ctx context.Context, glob string) iter.Seq2[Change, error] {
	return untilDone(ctx, items[Change](ctx, c, opWatch, request{Key: glob}))
}

// Publish implements API.
func (c *client) Publish(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
	return ask[[]wire.Ref](ctx, c, opPublish, request{Name: name, Data: data})
}

// PublishFor implements API.
func (c *client) PublishFor(ctx context.Context, name string, d time.Duration, data ...[]byte) ([]wire.Ref, error) {
	return ask[[]wire.Ref](ctx, c, opPublish, request{Name: name, Data: data, For: &d})
}

// Tail implements API.
func (c *client) Tail(ctx context.Context, q TailQuery) iter.Seq2[Event, error] {
	seq := items[Event](ctx, c, opTail, request{Tail: q})
	if q.Follow {
		return untilDone(ctx, seq)
	}
	return seq
}

// Do implements API.
func (c *client) Do(ctx context.Context, name, channel string, q json.RawMessage) iter.Seq2[json.RawMessage, error] {
	seq := items[json.RawMessage](ctx, c, opDo, request{Name: name, Channel: channel, Request: q})
	if models.Follows(name) {
		return untilDone(ctx, seq)
	}
	return seq
}

// History implements API.
func (c *client) History(ctx context.Context, s replica.Selection) iter.Seq2[Update, error] {
	return items[Update](ctx, c, opHistory, request{After: s.After, Authors: s.Authors, Channels: s.Channels, Order: s.Order})
}

// Channels implements API.
func (c *client) Channels(ctx context.Context) ([]Channel, error) {
	return ask[[]Channel](ctx, c, opChannels, request{})
}

// Export implements API.
func (c *client) Export(ctx context.Context, w io.Writer, o replica.ExportConfig) (replica.Clock, error) {
	clock := replica.Clock{} // an empty one is left out
	q := request{After: o.After, Follow: o.Follow}
	asked := ctx
	if o.Follow {
		q.ID = rand.Text()
		var stop func()
		asked, stop = c.outlasting(ctx, q.ID)
		defer stop()
	}
	pieces := items[exported](asked, c, opExport, q)
	if o.Follow {
		pieces = untilDone(ctx, pieces)
	}
	for piece, err := range pieces {
		switch {
		case err != nil:
			return clock, err
		case piece.Clock != nil:
			clock = piece.Clock
		default:
			if _, err := w.Write(piece.Data); err != nil {
				return clock, fmt.Errorf("node: export: %w", err)
			}
		}
	}
	return clock, nil
}

// outlasting returns a context for the request of that ID. When ctx ends the node is told
// to end the request, and has stopGrace to do so.
func (c *client) outlasting(ctx context.Context, id string) (asked context.Context, stop func()) {
	asked, cancel := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	unlink := context.AfterFunc(ctx, func() {
		defer close(over)
		grace, done := context.WithTimeout(asked, stopGrace)
		defer done()
		if there, err := ask[bool](grace, c, opEnd, request{ID: id}); err == nil && there {
			<-grace.Done()
		}
		cancel()
	})
	return asked, func() {
		cancel()
		if !unlink() {
			<-over
		}
	}
}

// Import implements API.
func (c *client) Import(ctx context.Context, r io.Reader) (replica.ImportResult, error) {
	resp, err := c.post(ctx, opImport, typeRaw, struct{ io.Reader }{r}) // r is not ours to close
	if err != nil {
		return replica.ImportResult{}, err
	}
	var res imported
	for v, err := range answerItems[imported](ctx, c, resp) {
		if err != nil {
			return res.result(), err
		}
		res = v
	}
	return res.result(), nil
}

// Extract implements API.
func (c *client) Extract(ctx context.Context, author keys.NodeID, seq uint64) (*Extract, error) {
	return ask[*Extract](ctx, c, opExtract, request{Author: author, Seq: seq})
}

// Explain implements API.
func (c *client) Explain(ctx context.Context, author keys.NodeID, seq uint64) (*Explanation, error) {
	return ask[*Explanation](ctx, c, opExplain, request{Author: author, Seq: seq})
}

// Proofs implements API. The client verifies again what it is told.
func (c *client) Proofs(ctx context.Context) iter.Seq2[*wire.Proof, error] {
	return func(yield func(*wire.Proof, error) bool) {
		for sent, err := range items[sentProof](ctx, c, opProofs, request{}) {
			var p *wire.Proof
			if err == nil {
				p, err = sent.open()
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}
