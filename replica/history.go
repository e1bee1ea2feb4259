package replica

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Order is the order of History. Zero is invalid.
type Order uint8

// The orders of History.
const (
	// ByAuthor goes author by author, each by seq, in constant memory.
	ByAuthor Order = 1
	// ByTime goes by (time, author, hash), and holds all the updates at once.
	ByTime Order = 2
)

// Selection says which updates Select yields, and in which order. Its zero value is
// all of them, by author.
type Selection struct {
	// After leaves out what a clock has: of each author, the updates up to its seq there.
	After Clock
	// Authors, unless nil, are the only ones.
	Authors []keys.NodeID
	// Channels, unless nil, are the only ones.
	Channels []string
	// Order is ByAuthor if zero. Sort takes its place.
	Order Order
	// Sort orders the updates: negative when a comes before b, 0 when it does not care,
	// and then (time, author, hash) decides. It must be a strict weak order. With it, as
	// with ByTime, all selected updates are in memory at once: up to 300 bytes and the
	// change of each.
	Sort func(a, b Update) int
}

// History is Select for all updates behind a clock; nil is the beginning.
func (r *Replica) History(after Clock, o Order) iter.Seq2[Update, error] {
	if o == 0 {
		return failed(fmt.Errorf("replica: Order(%d) is none of History's", o))
	}
	return r.Select(Selection{After: after, Order: o})
}

// Select returns the stored updates that count, of admitted authors. The effect of some
// may still be waiting. What is stored while it reads may be among them.
func (r *Replica) Select(s Selection) iter.Seq2[Update, error] {
	switch {
	case s.Sort != nil:
		return sorted(r.selected(s), func(a, b Update) int { return cmp.Or(s.Sort(a, b), compareUpdates(a, b)) })
	case s.Order == ByTime:
		return sorted(r.selected(s), compareUpdates)
	case s.Order == ByAuthor, s.Order == 0:
		return r.selected(s)
	}
	return failed(fmt.Errorf("replica: Order(%d) is none of History's", s.Order))
}

func failed(err error) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) { yield(Update{}, err) }
}

func compareUpdates(a, b Update) int {
	switch {
	case a.Before(&b):
		return -1
	case b.Before(&a):
		return 1
	}
	return 0
}

// selected yields what is selected, by author.
func (r *Replica) selected(s Selection) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		for run, err := range r.runs(s.After, s.Authors) {
			if err != nil {
				yield(Update{}, err)
				return
			}
			// A cut, or the end of the author's windows, may fall into the run.
			last := r.models.bounds.reach(run, r.frontier(run.Author()).Seq)
			for i, e := range run.Entries() {
				if run.First()+uint64(i) > last {
					break
				}
				if s.Channels != nil && !slices.Contains(s.Channels, e.Channel) {
					continue
				}
				if !yield(r.update(run, i), nil) {
					return
				}
			}
		}
	}
}

// sorted yields all of seq in order, or its error and nothing else.
func sorted(seq iter.Seq2[Update, error], compare func(a, b Update) int) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		var all []Update
		for u, err := range seq {
			if err != nil {
				yield(Update{}, err)
				return
			}
			u.Change = bytes.Clone(u.Change) // else all that is in its run stays in memory
			all = append(all, u)
		}
		slices.SortFunc(all, compare)
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// runs returns the stored runs of admitted authors behind a clock, author by author; of
// those in only, unless it is nil.
func (r *Replica) runs(after Clock, only []keys.NodeID) iter.Seq2[*wire.Run, error] {
	return func(yield func(*wire.Run, error) bool) {
		clock := r.Clock()
		if only != nil {
			wanted := make(map[keys.NodeID]bool, len(only))
			for _, id := range only {
				wanted[id] = true
			}
			maps.DeleteFunc(clock, func(id keys.NodeID, _ wire.Ref) bool { return !wanted[id] })
		}
		for _, id := range slices.SortedFunc(maps.Keys(clock), keys.NodeID.Compare) {
			end := clock[id].Seq
			from := wire.Ref{Author: id, Seq: after[id].Seq}
			if from.Seq >= end {
				continue
			}
			for run, err := range r.store.Runs(r.cfg.Topic, from) {
				if err != nil {
					yield(nil, fmt.Errorf("replica: history of %v: %w", id, err))
					return
				}
				if !yield(run, nil) {
					return
				}
				if run.Last() >= end {
					break
				}
			}
		}
	}
}
