package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// control serves the control socket.
type control struct {
	n     *Node
	http  *http.Server
	slots chan struct{}
	tasks sync.WaitGroup // Serve, and requests under way

	mu       sync.Mutex // guards the fields below; starts of requests on tasks
	stopping bool
	ends     map[string]context.CancelFunc // of exports that follow, by request.ID
}

func newControl(n *Node) *control {
	return &control{n: n, slots: make(chan struct{}, maxRequests), ends: make(map[string]context.CancelFunc)}
}

func (c *control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+apiPath+"{op}", c.serve)
	return mux
}

// openControl makes the socket and answers on it.
func (n *Node) openControl(context.Context) error {
	ln, err := n.dir.listenSocket()
	if err != nil {
		return err
	}
	c := newControl(n)
	c.http = &http.Server{
		Handler: c.handler(), ReadHeaderTimeout: requestTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	c.tasks.Go(func() {
		if err := c.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("node: control socket: %w", err))
		}
	})
	n.onClose(c.close)
	return nil
}

// close lets requests under way end, for a while, and removes the socket.
func (c *control) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	if c.http.Shutdown(ctx) != nil {
		c.http.Close()
	}
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.tasks.Wait()
	return c.n.dir.removeSocket()
}

// answerFunc carries out one operation.
type answerFunc func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error]

// answers are the operations; opImport, opStatus and opEnd have handlers of their own.
var answers = map[string]answerFunc{
	opSet: one(func(ctx context.Context, t *topic, q *request) (any, error) {
		if !q.Expires.IsZero() {
			return t.SetUntil(ctx, q.Key, q.Value, q.Expires)
		}
		return t.Set(ctx, q.Key, q.Value)
	}),
	opSetMany: one(func(ctx context.Context, t *topic, q *request) (any, error) {
		return t.SetMany(ctx, q.Pairs)
	}),
	opDelete: one(func(ctx context.Context, t *topic, q *request) (any, error) { return t.Delete(ctx, q.Key) }),
	opGet:    one(func(ctx context.Context, t *topic, q *request) (any, error) { return t.Get(ctx, q.Key) }),
	opPublish: one(func(ctx context.Context, t *topic, q *request) (any, error) {
		if q.For != nil {
			return t.PublishFor(ctx, q.Name, *q.For, q.Data...)
		}
		return t.Publish(ctx, q.Name, q.Data...)
	}),
	opExtract: one(func(ctx context.Context, t *topic, q *request) (any, error) { return t.Extract(ctx, q.Author, q.Seq) }),
	opExplain: one(func(ctx context.Context, t *topic, q *request) (any, error) { return t.Explain(ctx, q.Author, q.Seq) }),
	opDump:    func(ctx context.Context, t *topic, _ *request) iter.Seq2[any, error] { return anyOf(t.Dump(ctx)) },
	opWatch: func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
		return anyOf(t.Watch(ctx, q.Key))
	},
	opTail: func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
		return anyOf(t.Tail(ctx, q.Tail))
	},
	opDo: func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
		return anyOf(t.Do(ctx, q.Name, q.Channel, q.Request))
	},
	opHistory: func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
		return anyOf(t.History(ctx, q.selection()))
	},
	opChannels: one(func(ctx context.Context, t *topic, _ *request) (any, error) { return t.Channels(ctx) }),
	opExport:   export,
	opProofs: func(ctx context.Context, t *topic, _ *request) iter.Seq2[any, error] {
		return sentProofs(t.Proofs(ctx))
	},
}

func one(f func(ctx context.Context, t *topic, q *request) (any, error)) answerFunc {
	return func(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) { yield(f(ctx, t, q)) }
	}
}

func anyOf[T any](seq iter.Seq2[T, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for v, err := range seq {
			if !yield(v, err) {
				return
			}
		}
	}
}

func sentProofs(proofs iter.Seq2[*wire.Proof, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for p, err := range proofs {
			var item any
			if err == nil {
				item = sentProof{p.Topic(), p.Key().Wire(), p.Body()}
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func export(ctx context.Context, t *topic, q *request) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		out := bufio.NewWriterSize(pieces(yield), exportChunk)
		clock, err := t.Export(ctx, out, replica.ExportConfig{After: q.After, Follow: q.Follow})
		if err == nil {
			err = out.Flush()
		}
		if !errors.Is(err, errGone) {
			yield(exported{Clock: clock}, err)
		}
	}
}

var errGone = errors.New("the client has gone")

// pieces yields what is written to it.
type pieces func(any, error) bool

func (yield pieces) Write(b []byte) (int, error) {
	if !yield(exported{Data: b}, nil) {
		return 0, errGone
	}
	return len(b), nil
}

// enter begins a request that close waits for.
func (c *control) enter() (leave func(), why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return nil, "the node has stopped"
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return nil, "too many requests at a time"
	}
	c.tasks.Add(1)
	return func() { <-c.slots; c.tasks.Done() }, ""
}

// serve answers one request.
func (c *control) serve(w http.ResponseWriter, r *http.Request) {
	leave, why := c.enter()
	if leave == nil {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	defer leave()
	op := r.PathValue("op")
	if op == opImport {
		c.serveImport(w, r)
		return
	}
	q := new(request)
	// Read to the end, the server notices when the client goes away.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, q)
	}
	if err != nil {
		http.Error(w, "request: "+err.Error(), http.StatusBadRequest)
		return
	}
	switch op {
	case opStatus:
		c.answer(w, false, func(yield func(any, error) bool) { yield(c.status(r)) })
		return
	case opEnd:
		c.answer(w, false, func(yield func(any, error) bool) { yield(c.end(q.ID), nil) })
		return
	}
	f := answers[op]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	t, err := c.n.topic(r.URL.Query().Get("topic"))
	if err != nil {
		c.answer(w, false, failing[any](err))
		return
	}
	live := op == opWatch || op == opTail && q.Tail.Follow || op == opExport && q.Follow || op == opDo && models.Follows(q.Name)
	ctx := r.Context()
	if live {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(c.n.ctx, cancel)()
		if q.ID != "" {
			defer c.endable(q.ID, cancel)()
		}
	}
	c.answer(w, live, f(ctx, t, q))
}

// endable has end call cancel until forget is called.
func (c *control) endable(id string, cancel context.CancelFunc) (forget func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[id] = cancel
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ends, id)
	}
}

// end reports whether there is such a request, which ends now.
func (c *control) end(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cancel := c.ends[id]
	if cancel != nil {
		cancel()
	}
	return cancel != nil
}

// status also answers whether the node has a topic that is named.
func (c *control) status(r *http.Request) (any, error) {
	if name := r.URL.Query().Get("topic"); name != "" {
		if _, err := c.n.topic(name); err != nil {
			return nil, err
		}
	}
	return c.n.Status(r.Context())
}

// serveImport takes a file in as it comes.
func (c *control) serveImport(w http.ResponseWriter, r *http.Request) {
	t, err := c.n.topic(r.URL.Query().Get("topic"))
	if err != nil {
		c.answer(w, false, failing[any](err))
		return
	}
	res, err := t.Import(r.Context(), r.Body)
	// A client that is still writing could miss the answer.
	io.Copy(io.Discard, r.Body)
	c.answer(w, false, func(yield func(any, error) bool) {
		if yield(importedFrom(res), nil) && err != nil {
			yield(nil, err)
		}
	})
}

// answer writes items as lines; live ones at once, and the head before the first.
func (c *control) answer(w http.ResponseWriter, live bool, items iter.Seq2[any, error]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	send := func(l line) error {
		err := enc.Encode(l)
		if err == nil && live {
			if err = out.Flush(); err == nil {
				err = flush.Flush()
			}
		}
		return err
	}
	if live {
		flush.Flush()
	}
	last := line{End: true}
	for item, err := range items {
		if err != nil {
			last = line{Error: failureFrom(err)}
			break
		}
		if send(line{Item: item}) != nil {
			return
		}
	}
	if live && last.End && c.n.ctx.Err() != nil {
		last = line{Error: failureFrom(fmt.Errorf("node: %w", ErrClosed))}
	}
	if send(last) == nil {
		out.Flush()
	}
}

// badStatus reads the text of an answer that is no answer.
func badStatus(r *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(r.Body, maxReason))
	return fmt.Errorf("node: the running node answers %s: %s (is it another version?)", r.Status, strings.TrimSpace(string(text)))
}
