package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Mounted is a model that a Manifest has mounted, and closes.
type Mounted interface{ Close() }

// State is what became of a channel of the list. Numbers are never reused; zero is none.
type State uint8

// The states of a listed channel.
const (
	Waiting     State = 1 // its turn to be mounted has not come yet
	Running     State = 2 // it is mounted
	UnknownKind State = 3 // Config.Kinds does not name its kind
	Reserved    State = 4 // it is the manifest's own, or one of Config.Reserved
	Excess      State = 5 // there are more than Config.MaxMounts, and others come first
	Failed      State = 6 // it could not be mounted, and will be tried again
)

func (s State) String() string {
	names := [...]string{"none", "waiting", "running", "unknown kind", "reserved", "excess", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// status is what became of a channel.
type status struct {
	state State
	model Mounted // if Running
	err   error   // if Failed
}

// keeper mounts what the list names.
type keeper struct {
	replica  *replica.Replica
	kinds    map[string]Kind
	reserved map[string]bool
	most     int
	model    *model
	wake     chan struct{}
	stop     chan struct{}
	done     sync.WaitGroup

	mu     sync.Mutex        // guards the fields below
	mounts map[string]*mount // written by the keeper's goroutine only
	kept   uint64            // model.listed when the last pass that is over began
	passed chan struct{}     // closed after each pass, and made anew
}

// mount is a model that is mounted, or could not be.
type mount struct {
	kind  string
	model Mounted
	err   error
	again time.Time // when to try again
}

// look makes the keeper look at the list again.
func (k *keeper) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// status returns what became of a channel's record.
func (k *keeper) status(r *record) status {
	switch {
	case !r.listed():
		return status{}
	case k.reserved[r.channel]:
		return status{state: Reserved}
	case k.kinds[r.kind] == nil:
		return status{state: UnknownKind}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.mounts[r.channel]
	switch {
	case m != nil && m.kind == r.kind && m.err != nil:
		return status{state: Failed, err: m.err}
	case m != nil && m.kind == r.kind:
		return status{state: Running, model: m.model}
	case k.kept < k.model.listed.Load():
		return status{state: Waiting}
	}
	return status{state: Excess}
}

// chosen returns the channels that are to be mounted, in their order.
func (k *keeper) chosen() []*record {
	type candidate struct {
		*record
		place int // among those of its author
	}
	byAuthor := make(map[keys.NodeID][]*record)
	for channel, r := range k.model.state.Now().records.All() {
		if r.listed() && !k.reserved[channel] && k.kinds[r.kind] != nil {
			byAuthor[r.ref.Author] = append(byAuthor[r.ref.Author], r)
		}
	}
	order := func(a, b *record) int {
		if a.before(b) {
			return -1
		}
		return 1
	}
	var all []candidate
	for _, own := range byAuthor {
		slices.SortFunc(own, order)
		for i, r := range own[:min(len(own), k.most)] {
			all = append(all, candidate{r, i})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.place, b.place), order(a.record, b.record)) })
	chosen := make([]*record, min(len(all), k.most))
	for i := range chosen {
		chosen[i] = all[i].record
	}
	return chosen
}

// run mounts and closes until the keeper is stopped, and closes all then.
func (k *keeper) run() {
	for {
		began := time.Now()
		listed, chosen := k.model.listed.Load(), k.chosen()
		found := time.Since(began)
		next := k.pass(chosen)
		rest := max(restFactor*found, time.Since(began))
		k.finish(listed)
		if !k.wait(rest, nil) || !k.wait(next, k.wake) {
			break
		}
	}
	k.closeBut(nil)
}

// wait returns after a time, unless it is 0 or less and there is something to wake it, or
// when that does; false if the keeper is stopped.
func (k *keeper) wait(d time.Duration, wake <-chan struct{}) bool {
	var after <-chan time.Time
	if d > 0 || wake == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-k.stop:
		return false
	case <-after:
	case <-wake:
	}
	return true
}

// stopped reports whether the keeper is to end.
func (k *keeper) stopped() bool {
	select {
	case <-k.stop:
		return true
	default:
		return false
	}
}

// pass closes what is not chosen, and then mounts what is. It returns when the first that
// failed is to be tried again, 0 if none did.
func (k *keeper) pass(chosen []*record) (next time.Duration) {
	k.closeBut(chosen)
	for _, r := range chosen {
		if k.stopped() {
			return 0
		}
		m := k.mounts[r.channel]
		if m == nil || m.err != nil && !time.Now().Before(m.again) {
			m = k.mount(r)
		}
		if m.err != nil {
			if wait := time.Until(m.again); next == 0 || wait < next {
				next = max(wait, 1)
			}
		}
	}
	return next
}

// closeBut closes what is mounted on other channels, or as another kind.
func (k *keeper) closeBut(chosen []*record) {
	keep := make(map[string]string, len(chosen))
	for _, r := range chosen {
		keep[r.channel] = r.kind
	}
	for channel, m := range k.mounts {
		if keep[channel] == m.kind {
			continue
		}
		k.mu.Lock()
		delete(k.mounts, channel)
		k.mu.Unlock()
		if m.model != nil {
			m.model.Close()
		}
	}
}

// mount mounts a channel, and tells.
func (k *keeper) mount(r *record) *mount {
	m := &mount{kind: r.kind, again: time.Now().Add(retryAfter)}
	m.model, m.err = call(k.kinds[r.kind], k.replica, r.channel)
	k.model.watches.Together(func(tell func(event)) {
		now := k.model.state.Now().get(r.channel) // another update may have listed it meanwhile
		was := k.status(now)
		k.mu.Lock()
		k.mounts[r.channel] = m
		k.mu.Unlock()
		if is := k.status(now); is.state != was.state {
			tell(event{now, now, was, is, now.ref.Author == k.model.self})
		}
	})
	return m
}

// call calls a Kind. A panic in it is an error.
func call(kind Kind, r *replica.Replica, channel string) (m Mounted, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("manifest: mounting %q panicked: %v", channel, p)
		}
	}()
	m, err = kind(r, channel)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("manifest: mounting %q returned no model", channel)
	}
	return m, nil
}

// finish notes that a pass is over that began when so much was listed.
func (k *keeper) finish(listed uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = listed
	close(k.passed)
	k.passed = make(chan struct{})
}
