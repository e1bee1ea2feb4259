package modeltest

import (
	"fmt"
	"runtime/debug"

	"github.com/hearsaynet/hearsay/replica"
)

// tb is what rapid's and testing's T have in common here.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// subject is a model under examination.
type subject struct{ Subject }

// start makes a model as a replica does that has nothing yet.
func (k Kit) start(t tb) *subject {
	t.Helper()
	s := k.open(t)
	s.rebuild(t)
	return s
}

// open makes a model on which no method has been called.
func (k Kit) open(t tb) *subject {
	t.Helper()
	s := &subject{k.New()}
	if s.Model == nil || s.State == nil {
		t.Fatalf("Kit.New made a Subject without Model or State")
	}
	if s.Close != nil {
		t.Cleanup(s.Close)
	}
	return s
}

// fold makes a model of updates.
func (k Kit) fold(t tb, us []replica.Update) *subject {
	t.Helper()
	s := k.start(t)
	s.apply(t, us...)
	return s
}

// rebuild has the model begin again with updates.
func (s *subject) rebuild(t tb, us ...replica.Update) {
	t.Helper()
	s.Model.Reset()
	s.apply(t, us...)
	s.rebuilt()
}

func (s *subject) rebuilt() {
	if r, ok := s.Model.(replica.Rebuilder); ok {
		r.Rebuilt()
	}
}

func (s *subject) apply(t tb, us ...replica.Update) {
	t.Helper()
	for _, u := range us {
		s.applyOne(t, u)
	}
}

// applyOne gives the model one update, and fails where no replica would go on.
func (s *subject) applyOne(t tb, u replica.Update) (changed bool, err error) {
	t.Helper()
	changed, panicked, err := safely(s.Model, u)
	switch {
	case panicked != "":
		t.Fatalf("ApplyUpdate panicked: %s\nof %s", panicked, describe(u))
	case err != nil && changed:
		t.Fatalf("ApplyUpdate says that the state changed beside the error %v, of %s", err, describe(u))
	case err != nil && err.Error() == "":
		t.Fatalf("ApplyUpdate's error says nothing, of %s", describe(u))
	}
	return changed, err
}

func safely(m replica.Model, u replica.Update) (changed bool, panicked string, err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	changed, err = m.ApplyUpdate(u)
	return changed, "", err
}
