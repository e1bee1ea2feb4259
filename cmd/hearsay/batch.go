package main

import (
	"context"
	"errors"
	"io"

	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	// batchBytes ends a batch: with the largest item still to come it fits one run.
	batchBytes = 512 << 10
	// readAhead is how many items wait while batches are on their way.
	readAhead = wire.MaxEntries
)

// batcher sends items in batches of up to 256: as full as they get while another
// batch is on its way, and at once when none is.
type batcher[T any] struct {
	// window is how many batches are on their way at a time.
	window int
	// read returns the next item and its size in bytes; io.EOF ends.
	read func() (T, int, error)
	// key, if any, keeps items of the same key out of batches that are under way
	// together: the later one must win.
	key  func(T) string
	send func(context.Context, []T) ([]wire.Ref, error)
	// done is called for each batch, in order, when all before it are durable.
	done func([]T, []wire.Ref) error
	// failed, if any, says what an error of send means for its batch.
	failed func([]T, error) error

	batch   []T
	bytes   int
	flights []*flight[T]
	flying  map[string]int
}

type sized[T any] struct {
	item T
	size int
}

type flight[T any] struct {
	batch []T
	refs  []wire.Ref
	err   error
	land  chan struct{}
}

// run returns when everything has been sent and done, or at the first error.
func (b *batcher[T]) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer b.waitFlights()
	defer cancel()
	b.flying = make(map[string]int)
	items := make(chan sized[T], readAhead)
	readErr := make(chan error, 1)
	// A read that blocks outlives run: standard input cannot be interrupted.
	go b.readAll(ctx, items, readErr)
	for ended := false; ; {
		for b.ready(ended || len(items) == 0, ended) {
			b.launch(ctx)
		}
		if ended && len(b.flights) == 0 {
			return <-readErr
		}
		input := items
		if b.full() || ended {
			input = nil
		}
		select {
		case it, ok := <-input:
			if ended = !ok; ok {
				b.batch, b.bytes = append(b.batch, it.item), b.bytes+it.size
			}
		case <-b.landing():
			if err := b.finish(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *batcher[T]) readAll(ctx context.Context, items chan<- sized[T], result chan<- error) {
	defer close(items)
	for {
		item, size, err := b.read()
		if errors.Is(err, io.EOF) {
			err = nil
			result <- nil
			return
		}
		if err != nil {
			result <- err
			return
		}
		select {
		case items <- sized[T]{item, size}:
		case <-ctx.Done():
			result <- context.Cause(ctx)
			return
		}
	}
}

func (b *batcher[T]) full() bool { return len(b.batch) == wire.MaxEntries || b.bytes >= batchBytes }

// ready reports whether the batch should go now. idle says that nothing more waits to
// be read, ended that nothing ever will.
func (b *batcher[T]) ready(idle, ended bool) bool {
	switch {
	case len(b.batch) == 0 || len(b.flights) == b.window:
		return false
	case !b.full() && !ended && (!idle || len(b.flights) > 0):
		return false
	case b.key == nil:
		return true
	}
	for _, item := range b.batch {
		if b.flying[b.key(item)] > 0 {
			return false
		}
	}
	return true
}

func (b *batcher[T]) launch(ctx context.Context) {
	f := &flight[T]{batch: b.batch, land: make(chan struct{})}
	b.count(f, 1)
	b.flights = append(b.flights, f)
	b.batch, b.bytes = nil, 0
	go func() {
		defer close(f.land)
		f.refs, f.err = b.send(ctx, f.batch)
	}()
}

func (b *batcher[T]) count(f *flight[T], by int) {
	if b.key == nil {
		return
	}
	for _, item := range f.batch {
		k := b.key(item)
		if b.flying[k] += by; b.flying[k] == 0 {
			delete(b.flying, k)
		}
	}
}

// landing is closed when the oldest batch is durable; nil without one.
func (b *batcher[T]) landing() <-chan struct{} {
	if len(b.flights) == 0 {
		return nil
	}
	return b.flights[0].land
}

func (b *batcher[T]) finish() error {
	f := b.flights[0]
	b.flights = b.flights[1:]
	b.count(f, -1)
	if f.err == nil {
		return b.done(f.batch, f.refs)
	}
	if b.failed != nil {
		return b.failed(f.batch, f.err)
	}
	return f.err
}

func (b *batcher[T]) waitFlights() {
	for _, f := range b.flights {
		<-f.land
	}
}
