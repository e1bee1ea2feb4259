package replica

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// recordHead is the kind of record that keeps an author's newest head.
const recordHead = "head"

// Everything about heads is paced by Config.HeadInterval, in these parts of it: 30 s
// make 10 s between two heads of an author that are passed on, and 1 s of quiet
// before a burst of writing is followed by one.
const (
	headSpacing = 3  // the least time between two heads of an author
	headQuiet   = 30 // how long nothing is written before a head tells of it
	headFresh   = 2  // times the interval: an author is alive that long after a head
)

// word is the newest signed word of an author on how far it has written.
type word struct {
	head   *wire.Head
	print  [sha256.Size]byte // of the head, to know a copy
	links  []witness         // who brought it: two, and one of another origin, at most
	direct bool              // the author itself did
	before former            // the head before
	passed time.Time
	pace   *rate.Limiter // newer heads that are looked at
}

// witness is a link that brought a head.
type witness struct {
	name, origin string
	id           keys.NodeID // zero if the link proves none
}

// is reports whether two links lead to the same peer.
func (w witness) is(o witness) bool {
	if w.id.IsZero() || o.id.IsZero() {
		return w.name == o.name
	}
	return w.id == o.id
}

// former is what stays of a head that a newer one has replaced.
type former struct {
	issued uint64
	heard  bool
}

// heard reports whether two links, or the author itself, brought the head.
func (w *word) heard() bool { return w.direct || w.origins() >= 2 }

// hear notes who brought the head, and reports whether that is new.
func (w *word) hear(from source, author keys.NodeID) bool {
	w.direct = w.direct || from.id() == author
	link := witness{from.name(), from.origin(), from.id()}
	sameOrigin := func(o witness) bool { return o.origin == link.origin }
	if w.origins() > 1 || slices.ContainsFunc(w.links, link.is) || len(w.links) > 1 && slices.ContainsFunc(w.links, sameOrigin) {
		return false
	}
	w.links = append(w.links, link)
	return true
}

// origins counts the origins of the links that brought the head: ids are free, so two
// peers that share one are no two witnesses.
func (w *word) origins() int {
	seen := make(map[string]bool)
	for _, link := range w.links {
		seen[link.origin] = true
	}
	return len(seen)
}

// onlyFrom reports whether nobody but that link brought the head: told back, it would
// look like the word of a second witness. Another link of the author itself may be
// another node with its key, which must hear of it.
func (w *word) onlyFrom(link witness) bool {
	if len(w.links) != 1 {
		return false
	}
	if link.id == w.head.Author() {
		return w.links[0].name == link.name
	}
	return w.links[0].is(link)
}

// fresh reports whether a head issued then says that its author is alive now.
func (r *Replica) fresh(issued uint64, now time.Time) bool {
	return now.Sub(instant(issued)) <= headFresh*r.cfg.HeadInterval
}

func instant(ns uint64) time.Time { return time.Unix(0, int64(ns)).UTC() }

// loadHeads reads the newest known heads from the store.
func (r *Replica) loadHeads() error {
	for rec, err := range r.store.Records(r.cfg.Topic, recordHead) {
		if err != nil {
			return err
		}
		key, body, err := splitKeyed(rec.Body)
		if err != nil {
			return err
		}
		h, err := wire.InsecureReopenHead(r.cfg.Topic, key, body)
		if err != nil {
			return err
		}
		r.authorLocked(rec.Author, key).word = r.newWord(h, nil)
		if rec.Author == r.self {
			r.issued.last, r.issued.floor = []uint64{h.Issued()}, h.Issued()
		}
	}
	return nil
}

func (r *Replica) newWord(h *wire.Head, before *word) *word {
	w := &word{head: h, print: sha256.Sum256(h.Body())}
	if before != nil {
		w.pace, w.passed = before.pace, before.passed
		w.before = former{before.head.Issued(), before.heard()}
	} else {
		w.pace = rate.NewLimiter(rate.Every(r.cfg.HeadInterval/headSpacing), headSpacing)
	}
	return w
}

// precheckHead drops, without a look at the signature, what is no news.
func (r *Replica) precheckHead(u *wire.UnverifiedHead, from source) (done bool) {
	if u.Author() == r.self && r.cfg.Signer != nil {
		return !r.guard.news(u.Issued(), u.Ref().Seq)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.authors[u.Author()]
	now := r.Now()
	switch {
	case instant(u.Issued()).After(now.Add(r.cfg.MaxSkew)):
		return true
	case a == nil:
		return r.fullLocked(u.Author())
	case a.cut != nil || !a.admitted:
		return true
	case a.word == nil:
		return false
	case a.word.print == u.Fingerprint():
		if a.word.hear(from, a.id) {
			r.words.pass[a.id] = struct{}{} // the first witness may now hear it from us
		}
		return true
	case u.Issued() <= a.word.head.Issued() || u.Ref().Seq < a.word.head.Ref().Seq:
		return true
	}
	return a.word.pace.TokensAt(now) < 1
}

// takeHead keeps a verified head if it is the newest. It moves no frontier; if it
// contradicts the stored history, that is a reason to ask.
func (r *Replica) takeHead(h *wire.Head, from []source) {
	id, ref := h.Author(), h.Ref()
	if id == r.self {
		r.takeOwnHead(h)
		return
	}
	r.mu.Lock()
	a := r.authorLocked(id, h.Key())
	w := a.word
	if a.cut != nil || !a.admitted || w != nil && (h.Issued() <= w.head.Issued() || ref.Seq < w.head.Ref().Seq) {
		r.mu.Unlock()
		return
	}
	a.word = r.newWord(h, w)
	a.word.pace.AllowN(r.Now(), 1)
	for _, s := range from {
		a.word.hear(s, id)
	}
	r.words.news(id)
	frontier := a.frontier
	r.mu.Unlock()

	if ref.Seq == 0 || ref.Seq > frontier.Seq {
		return
	}
	if have, err := r.refAt(id, ref.Seq); err != nil {
		r.trouble("compare a head", err)
	} else if have != ref {
		r.mu.Lock()
		if a.doubt == nil {
			a.doubt = &doubt{ref.Seq, from[0].name(), r.Now()}
		}
		r.mu.Unlock()
		r.ask(id)
	}
}

// takeOwnHead looks at a head of the own key that this replica did not sign, at least
// not since it was opened.
func (r *Replica) takeOwnHead(h *wire.Head) {
	ref := h.Ref()
	frontier := r.ownFrontier()
	same := true
	if ref.Seq > 0 && ref.Seq <= frontier.Seq {
		have, err := r.refAt(r.self, ref.Seq)
		if err != nil {
			r.trouble("compare an own head", err)
			return
		}
		same = have == ref
	}
	r.guard.ownHead(h, frontier.Seq, same)
	if !same || ref.Seq > frontier.Seq {
		r.ask(r.self)
	}
}

// words is which heads are to be passed on, and which to be stored.
type words struct {
	pass map[keys.NodeID]struct{}
	save map[keys.NodeID]struct{}
}

func (w *words) news(id keys.NodeID) {
	w.pass[id] = struct{}{}
	w.save[id] = struct{}{}
}

// headLoop passes heads on, stores them, and looks whether this replica is current.
func (r *Replica) headLoop() {
	interval := r.cfg.HeadInterval
	tick := time.NewTicker(max(interval/headQuiet, time.Millisecond))
	defer tick.Stop()
	began := time.Now()
	saved, told, looked := began, began, began
	for {
		select {
		case <-r.ctx.Done():
			r.saveHeads(context.WithoutCancel(r.ctx))
			return
		case <-tick.C:
		}
		now := time.Now()
		r.passHeads()
		if now.Sub(saved) >= interval/headSpacing {
			r.saveHeads(r.ctx)
			saved = now
		}
		if now.Sub(told) >= interval/2 {
			for _, l := range r.allLanes() {
				l.tell()
			}
			told = now
		}
		if now.Sub(looked) >= interval*4/5 {
			for _, l := range r.allLanes() {
				l.expect()
			}
			looked = now
		}
		r.lookWhetherCurrent()
	}
}

// passHeads offers the heads that are due to all links.
func (r *Replica) passHeads() {
	r.mu.Lock()
	now := r.Now()
	var due []keys.NodeID
	for id := range r.words.pass {
		w := r.authors[id].word
		if now.Sub(w.passed) >= r.cfg.HeadInterval/headSpacing {
			w.passed = now
			due = append(due, id)
			delete(r.words.pass, id)
		}
	}
	lanes := r.lanesLocked()
	r.mu.Unlock()
	if len(due) == 0 {
		return
	}
	for _, l := range lanes {
		l.heard(due)
	}
}

// saveHeads stores the heads that are new since the last time.
func (r *Replica) saveHeads(ctx context.Context) {
	r.mu.Lock()
	var records []store.Record
	for id := range r.words.save {
		records = append(records, store.Record{Author: id, Body: keyed(r.authors[id].word.head)})
	}
	clear(r.words.save)
	r.mu.Unlock()
	if len(records) == 0 {
		return
	}
	if err := r.store.PutRecords(ctx, r.cfg.Topic, recordHead, records...); err != nil {
		r.trouble("store heads", err)
	}
}

// signHeads signs the own frontier now and then, as long as there is somebody to tell.
func (r *Replica) signHeads() {
	interval := r.cfg.HeadInterval
	tick := time.NewTicker(max(interval/headQuiet, time.Millisecond))
	defer tick.Stop()
	var last, moved time.Time
	var next time.Duration
	var told, seen wire.Ref
	jitter := rand.New(rand.NewPCG(binary.BigEndian.Uint64(r.self[2:]), uint64(r.Now().UnixNano())))
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
		}
		now, frontier := time.Now(), r.ownFrontier()
		if frontier != seen {
			seen, moved = frontier, now
		}
		quiet := frontier != told && now.Sub(moved) >= interval/headQuiet && now.Sub(last) >= interval/headSpacing
		if !quiet && now.Sub(last) < next || len(r.allLanes()) == 0 || r.guard.status() != nil {
			continue
		}
		if err := r.signHead(frontier); err != nil {
			if r.ctx.Err() == nil {
				r.trouble("sign a head", err)
			}
			last, next = now, interval/headSpacing
			continue
		}
		told, last = frontier, now
		next = interval*4/5 + time.Duration(jitter.Int64N(int64(interval*2/5))) // so that a fleet does not speak at once
	}
}

// signHead signs and stores a head for a frontier that is stored.
func (r *Replica) signHead(frontier wire.Ref) error {
	issued := r.issued.next(r.Now())
	sig, err := r.cfg.Signer.Sign(r.ctx, wire.NamespaceHead, wire.HeadMessage(r.cfg.Topic, frontier, issued))
	if err != nil {
		return err
	}
	h, err := wire.SealHead(r.cfg.Topic, frontier, issued, r.cfg.Signer.Public(), sig)
	if err != nil {
		return err
	}
	if err := r.store.PutRecords(r.ctx, r.cfg.Topic, recordHead, store.Record{Author: r.self, Body: keyed(h)}); err != nil {
		return err
	}
	r.mu.Lock()
	a := r.authorLocked(r.self, h.Key())
	a.word = r.newWord(h, a.word)
	a.word.passed = time.Time{} // the author's own pace is the interval
	r.words.pass[r.self] = struct{}{}
	r.mu.Unlock()
	r.passHeads()
	return nil
}

// issued is the own author's heads of late, to know them when they come back.
type issued struct {
	mu    sync.Mutex // guards the fields below
	last  []uint64   // ascending
	floor uint64     // up to here, one that is not in last may be ours as well
}

const maxIssued = 256

// next returns when a head that is signed now is issued: later than all before.
func (i *issued) next(now time.Time) uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := uint64(now.UnixNano())
	if n := len(i.last); n > 0 {
		t = max(t, i.last[n-1]+1)
	}
	i.last = append(i.last, t)
	if len(i.last) > maxIssued {
		i.floor = max(i.floor, i.last[len(i.last)-maxIssued-1])
		i.last = slices.Delete(i.last, 0, len(i.last)-maxIssued)
	}
	return t
}

// foreign reports whether a head of our key issued then is surely not one of ours.
func (i *issued) foreign(t uint64) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ours := slices.BinarySearch(i.last, t)
	return t > i.floor && !ours
}
