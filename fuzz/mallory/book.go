package mallory

import (
	"context"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// book is what a Relay has seen pass.
type book struct {
	mu     sync.Mutex // guards the fields below
	ends   map[place]sight
	keys   map[keys.NodeID]keys.PublicKey
	likes  map[string]wire.Entry // by topic: the first change, for others to be like
	change chan struct{}         // closed and replaced when there is news
}

type place struct {
	topic  string
	author keys.NodeID
}

// sight is the newest run of an author.
type sight struct {
	end  wire.Ref
	time uint64      // of its last update
	by   keys.NodeID // who sent it
}

func newBook() *book {
	return &book{ends: make(map[place]sight), keys: make(map[keys.NodeID]keys.PublicKey), likes: make(map[string]wire.Entry), change: make(chan struct{})}
}

// saw notes a frame that a peer sent about a topic.
func (b *book) saw(by keys.NodeID, topic string, f *wire.Frame) {
	switch f.Type {
	case wire.FrameKey:
		k, err := wire.ParseKey(f.Body)
		if err != nil {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.keys) < maxKnown {
			b.keys[k.ID()] = k
		}
	case wire.FrameRun:
		u, err := wire.ParseRun(topic, f.Body)
		if err != nil {
			return
		}
		b.sawRun(by, u)
	}
}

func (b *book) sawRun(by keys.NodeID, u *wire.UnverifiedRun) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := place{u.Topic(), u.Author()}
	last, known := b.ends[at]
	if !known && len(b.ends) >= maxKnown {
		return
	}
	all := u.UnverifiedEntries()
	e := all[len(all)-1]
	if u.Last() > last.end.Seq {
		b.ends[at] = sight{u.UnverifiedEnd(), e.Time, by}
	}
	if _, ok := b.likes[u.Topic()]; !ok && len(b.likes) < wire.MaxTopics && !e.Absent && len(e.Change) > 0 {
		e.Change = append([]byte(nil), e.Change...)
		b.likes[u.Topic()] = e
	}
	close(b.change)
	b.change = make(chan struct{})
}

// like waits for the first change of a topic, and returns it.
func (b *book) like(ctx context.Context, topic string) (wire.Entry, error) {
	for {
		b.mu.Lock()
		e, ok := b.likes[topic]
		news := b.change
		b.mu.Unlock()
		if ok {
			return e, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return wire.Entry{}, context.Cause(ctx)
		}
	}
}

// known returns an author of the topic whose updates somebody else than the victim has
// sent, if there is one, and its key, as far as it was seen.
func (b *book) known(topic string, victim keys.NodeID) (end wire.Ref, key keys.PublicKey, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for at, s := range b.ends {
		if at.topic == topic && s.by != victim && at.author != victim && (!ok || at.author.Compare(end.Author) < 0) {
			end, key, ok = s.end, b.keys[at.author], true
		}
	}
	return end, key, ok
}

// victimOf waits until an author is known whose updates p's victim should take.
func (p *pipe) author(topic string) (end wire.Ref, key keys.PublicKey, err error) {
	b := p.s.r.book
	for {
		b.mu.Lock()
		news := b.change
		b.mu.Unlock()
		if end, key, ok := b.known(topic, p.victim()); ok {
			return end, key, nil
		}
		select {
		case <-news:
		case <-p.s.ctx.Done():
			return wire.Ref{}, keys.PublicKey{}, context.Cause(p.s.ctx)
		}
	}
}

// end returns the newest update that was seen of an author.
func (b *book) end(topic string, author keys.NodeID) wire.Ref {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.ends[place{topic, author}]; ok {
		return s.end
	}
	return wire.Ref{Author: author}
}
