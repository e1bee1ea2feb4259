// Package poll is a poll of many authors, each of whom has one vote and may change it.
// docs/your-own-model.md builds it.
//
// A change is, in TLS presentation language (RFC 8446 section 3):
//
//	struct {
//	    uint8  op;       // 1 vote
//	    opaque choice;   // the rest of the change: UTF-8, at most 64 bytes; none takes the vote back
//	} Change;
package poll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// MaxChoice bounds a choice, in bytes. It is part of the encoding.
const MaxChoice = 64

const opVote = 1

// ErrMalformed is wrapped by the error of every change that breaks the encoding.
var ErrMalformed = errors.New("malformed vote")

func parse(change []byte) (choice string, err error) {
	switch {
	case len(change) == 0 || change[0] != opVote:
		return "", fmt.Errorf("poll: %w: it does not begin with op 1", ErrMalformed)
	case len(change) > 1+MaxChoice:
		return "", fmt.Errorf("poll: %w: a choice of %d bytes (at most %d)", ErrMalformed, len(change)-1, MaxChoice)
	case !utf8.Valid(change):
		return "", fmt.Errorf("poll: %w: not UTF-8", ErrMalformed)
	}
	return string(change[1:]), nil
}

// vote is the one vote of an author.
type vote struct {
	by     replica.Update // without the change
	choice string         // "" if it has been taken back
}

// model is what a replica calls.
type model struct {
	mu   sync.RWMutex // guards the fields below
	now  map[keys.NodeID]vote
	next map[keys.NodeID]vote // what a rebuild has made so far, nil if there is none
}

func newModel() *model { return &model{now: make(map[keys.NodeID]vote)} }

// ApplyUpdate implements replica.Model: an author's last vote counts.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	choice, err := parse(u.Change)
	if err != nil {
		return false, err
	}
	u.Change = nil // a part of up to 1 MiB that would be kept with it
	m.mu.Lock()
	defer m.mu.Unlock()
	votes := m.now
	if m.next != nil {
		votes = m.next
	}
	old, voted := votes[u.Author]
	if voted && u.Before(&old.by) { // it was parked, and comes late
		return false, nil
	}
	votes[u.Author] = vote{u, choice}
	return choice != old.choice, nil
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = make(map[keys.NodeID]vote)
}

// Rebuilt implements replica.Rebuilder: until now readers have seen the votes before.
func (m *model) Rebuilt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next != nil {
		m.now, m.next = m.next, nil
	}
}

// Line is a choice and how many have made it.
type Line struct {
	Choice string
	Votes  int
}

// result counts the votes.
func (m *model) result() []Line {
	m.mu.RLock()
	defer m.mu.RUnlock()
	votes := make(map[string]int)
	for _, v := range m.now {
		if v.choice != "" {
			votes[v.choice]++
		}
	}
	lines := make([]Line, 0, len(votes))
	for _, choice := range slices.Sorted(maps.Keys(votes)) {
		lines = append(lines, Line{choice, votes[choice]})
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(b.Votes, a.Votes) })
	return lines
}

// Poll is the poll of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Poll struct {
	replica *replica.Replica
	channel string
	model   *model
	unmount func()
}

// Mount opens the poll of a channel with the votes that the replica has.
func Mount(r *replica.Replica, channel string) (*Poll, error) {
	p := &Poll{replica: r, channel: channel, model: newModel()}
	var err error
	if p.unmount, err = r.Mount(channel, p.model); err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	return p, nil
}

// Close unmounts the poll.
func (p *Poll) Close() { p.unmount() }

// Vote makes the own author's choice, of at most 64 bytes of UTF-8, and returns when that
// is signed, durable and counted. "" takes its vote back.
func (p *Poll) Vote(ctx context.Context, choice string) (wire.Ref, error) {
	change := append([]byte{opVote}, choice...)
	if _, err := parse(change); err != nil { // what everybody would ignore is not signed
		return wire.Ref{}, err
	}
	ref, err := p.replica.LocalUpdate(ctx, p.channel, change)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("poll: %w", err)
	}
	return ref, nil
}

// Result returns the choices, those of the most votes first.
func (p *Poll) Result() []Line { return p.model.result() }
