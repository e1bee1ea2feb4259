package replica

import (
	"context"
	"fmt"
	"sync"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// NoticeKind says what a Notice is about. Numbers are never reused; zero is invalid.
type NoticeKind uint8

// The kinds of notices.
const (
	Applied    NoticeKind = 1  // an update took effect
	Superseded NoticeKind = 2  // an update was folded and changed nothing
	Ignored    NoticeKind = 3  // a model could not read an update; Reason says why
	Rejected   NoticeKind = 4  // a run was refused; Reason says why, Peer who brought it
	Gap        NoticeKind = 5  // Ref.Seq is missing; what follows it has been offered
	Parked     NoticeKind = 6  // an update waits for its time
	Retracted  NoticeKind = 7  // N updates of Ref.Author no longer count
	Forked     NoticeKind = 8  // the author has signed two histories and is frozen
	Drained    NoticeKind = 9  // Peer has sent all it had for us, and all of it has a verdict
	Current    NoticeKind = 10 // every fresh head is reached, by two words or the authors' own
	LinkUp     NoticeKind = 11 // a session with Peer began
	LinkDown   NoticeKind = 12 // it ended; Reason says why
	Failed     NoticeKind = 13 // this node is in trouble: its disk, its key; Reason says how
	Lost       NoticeKind = 14 // the reader was too slow for N notices
)

func (k NoticeKind) String() string {
	names := [...]string{"", "applied", "superseded", "ignored", "rejected", "gap", "parked", "retracted", "forked",
		"drained", "current", "link up", "link down", "error", "lost"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("NoticeKind(%d)", uint8(k))
	}
	return names[k]
}

// Notice is one event of a replica's life.
type Notice struct {
	Kind    NoticeKind
	Ref     wire.Ref
	Channel string
	Peer    string
	Reason  string
	N       uint64
}

const noticeBuffer = 1024

// hub hands notices to their readers and never waits for one.
type hub struct {
	mu      sync.Mutex // guards readers, closed
	readers map[*noticeReader]struct{}
	closed  bool
}

type noticeReader struct {
	ch   chan Notice
	lost uint64
}

// Notices returns the notices from now on, until ctx ends or the replica is closed.
// A reader that falls 1,024 behind loses some, and gets a notice of kind Lost.
func (r *Replica) Notices(ctx context.Context) <-chan Notice {
	h := &r.notices
	n := &noticeReader{ch: make(chan Notice, noticeBuffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(n.ch)
		return n.ch
	}
	if h.readers == nil {
		h.readers = make(map[*noticeReader]struct{})
	}
	h.readers[n] = struct{}{}
	context.AfterFunc(ctx, func() { h.drop(n) })
	return n.ch
}

func (h *hub) drop(n *noticeReader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.readers[n]; ok {
		delete(h.readers, n)
		close(n.ch)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for n := range h.readers {
		delete(h.readers, n)
		close(n.ch)
	}
}

// listening reports whether anybody reads, so that hot paths can save the work.
func (h *hub) listening() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers) > 0
}

func (h *hub) send(notice Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := range h.readers {
		n.send(notice)
	}
}

func (n *noticeReader) send(notice Notice) {
	if n.lost > 0 {
		select {
		case n.ch <- Notice{Kind: Lost, N: n.lost}:
			n.lost = 0
		default:
			n.lost++
			return
		}
	}
	select {
	case n.ch <- notice:
	default:
		n.lost++
	}
}
