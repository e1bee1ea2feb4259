// Package storetest holds what every store.Store must do.
package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const topic = "topic"

// Run runs the suite. open returns a new, empty store, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Empty", testEmpty},
		{"AppendAndRead", testAppendAndRead},
		{"NotContiguous", testNotContiguous},
		{"AllOrNothing", testAllOrNothing},
		{"Topics", testTopics},
		{"Frontiers", testFrontiers},
		{"ManyRuns", testManyRuns},
		{"LargestRun", testLargestRun},
		{"Truncate", testTruncate},
		{"TruncateInside", testTruncateInside},
		{"TruncateToNothing", testTruncateToNothing},
		{"Records", testRecords},
		{"RecordsTogether", testRecordsTogether},
		{"RecordBounds", testRecordBounds},
		{"Concurrent", testConcurrent},
		{"ReadWhileWriting", testReadWhileWriting},
		{"StopEarly", testStopEarly},
		{"Context", testContext},
		{"Closed", testClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			tt.test(t, s)
			if tt.name != "Closed" {
				CheckClean(t, s)
			}
		})
	}
}

// CheckClean fails the test when s.Check finds anything.
func CheckClean(t *testing.T, s store.Store) {
	t.Helper()
	err := s.Check(t.Context(), func(f store.Fault) { t.Errorf("Check: %v", &f) })
	if err != nil {
		t.Errorf("Check: %v", err)
	}
}

// Dump returns the whole content of s as text, one line for each thing. Two stores
// have the same content when their dumps are equal.
func Dump(s store.Store, kinds ...string) (string, error) {
	var b strings.Builder
	topics, err := s.Topics()
	if err != nil {
		return "", err
	}
	for _, topic := range topics {
		for ref, err := range s.Frontiers(topic) {
			if err != nil {
				return "", err
			}
			k, err := s.Key(topic, ref.Author)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "%q frontier %v %d %v %v\n", topic, ref.Author, ref.Seq, ref.Hash, k)
			for r, err := range s.Runs(topic, wire.Ref{Author: ref.Author}) {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, "%q run %x\n", topic, r.Body())
			}
		}
		for _, kind := range kinds {
			for rec, err := range s.Records(topic, kind) {
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&b, "%q record %q %v %x\n", topic, kind, rec.Author, rec.Body)
			}
		}
	}
	return b.String(), nil
}

func appendRuns(t *testing.T, s store.Store, runs ...*wire.Run) {
	t.Helper()
	if err := s.Append(t.Context(), runs...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func wantFrontier(t *testing.T, s store.Store, topic string, want wire.Ref) {
	t.Helper()
	got, err := s.Frontier(topic, want.Author)
	if err != nil || got != want {
		t.Errorf("Frontier = %v, %v, want %v", got, err, want)
	}
}

// readRuns returns what Runs yields, as text: first and last seq and bytes of each.
func readRuns(t *testing.T, s store.Store, topic string, a keys.NodeID, after uint64) []*wire.Run {
	t.Helper()
	var out []*wire.Run
	for r, err := range s.Runs(topic, wire.Ref{Author: a, Seq: after}) {
		if err != nil {
			t.Fatalf("Runs after %d: %v", after, err)
		}
		out = append(out, r)
	}
	return out
}

func wantRuns(t *testing.T, s store.Store, topic string, a keys.NodeID, after uint64, want []*wire.Run) {
	t.Helper()
	got := readRuns(t, s, topic, a, after)
	same := slices.EqualFunc(got, want, func(g, w *wire.Run) bool {
		return bytes.Equal(g.Body(), w.Body()) && g.Topic() == w.Topic() && g.Key() == w.Key() && g.End() == w.End()
	})
	if !same {
		t.Errorf("Runs after %d = %s, want %s", after, ranges(got), ranges(want))
	}
}

func ranges(runs []*wire.Run) string {
	var b strings.Builder
	for _, r := range runs {
		fmt.Fprintf(&b, "[%d-%d]", r.First(), r.Last())
	}
	return b.String()
}
