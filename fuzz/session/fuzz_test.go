package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/fuzz/session"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

const topic = "fuzz"

// midnight is when the clock of a synctest bubble starts.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// programs are the seeds: bytes of a generator whose seed is fixed.
func programs() (all [][]byte) {
	for i := range 40 {
		var seed [32]byte
		binary.BigEndian.PutUint64(seed[:], uint64(i))
		program := make([]byte, 8+8*i)
		rand.NewChaCha8(seed).Read(program)
		program[0] %= 240 // a good Hello
		all = append(all, program)
	}
	return all
}

// FuzzSession plays the script of any program to a replica that admits everybody. Time is
// that of a bubble, which cannot end while a goroutine of the replica goes on.
func FuzzSession(f *testing.F) {
	for _, program := range programs() {
		f.Add(program)
	}
	cast := session.NewCast("native", topic, midnight)
	f.Fuzz(func(t *testing.T, program []byte) {
		steps := session.Script(cast, program)
		sent := 0
		for _, step := range steps {
			sent += len(step.Bytes)
		}
		// A replica opens with 400 kB; what is stored is copied a few times on its way there.
		fuzztest.Alloc{PerByte: 64, Constant: 4 << 20}.Check(t, sent, func() {
			synctest.Test(t, func(t *testing.T) { play(t, cast, steps) })
		})
	})
}

// play holds the session, then an honest one, and looks at what is stored.
func play(t *testing.T, cast *session.Cast, steps []session.Step) session.Outcome {
	st := store.NewMemory()
	r, err := replica.Open(context.Background(), replica.Config{Topic: topic, Store: st, Verify: verify.AnyKey()})
	if err != nil {
		t.Fatal(err)
	}
	serve := func(name string, talk func(conn net.Conn)) {
		ours, theirs := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Sync(context.Background(), theirs, replica.SyncConfig{Name: name})
		}()
		talk(ours)
		select {
		case <-ended:
		case <-time.After(2 * time.Minute):
			t.Errorf("the session goes on after %s has hung up", name)
		}
	}
	var how session.Outcome
	serve("hostile", func(conn net.Conn) {
		how, _ = session.Drive(context.Background(), conn, steps, 10*time.Minute)
	})
	if how == session.Silent {
		t.Error("the session was neither served nor closed")
	}
	serve("honest", func(conn net.Conn) {
		if err := session.Honest(context.Background(), conn, topic, time.Minute); err != nil {
			t.Error(err)
		}
	})
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	checkStore(t, cast, st)
	return how
}

// checkStore: what is stored is of the cast, verified, and without holes.
func checkStore(t *testing.T, cast *session.Cast, st store.Store) {
	t.Helper()
	for end, err := range st.Frontiers(topic) {
		if err != nil {
			t.Fatal(err)
		}
		if !cast.Has(end.Author) {
			t.Errorf("%v is stored, whose key nobody has", end.Author)
		}
		at, found := wire.Ref{Author: end.Author}, false
		for r, err := range st.Runs(topic, at) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Prev() != at {
				t.Errorf("a run behind %v is stored behind %v", r.Prev(), at)
			}
			if err := reopen(r); err != nil {
				t.Error(err)
			}
			if r.First() <= end.Seq && end.Seq <= r.Last() { // a run that a cut falls into is kept whole
				found = r.Ref(int(end.Seq-r.First())) == end
			}
			at = r.End()
		}
		if !found {
			t.Errorf("the frontier is %v, which is not stored", end)
		}
	}
}

func reopen(r *wire.Run) error {
	u, err := wire.ParseRun(topic, r.Body())
	if err != nil {
		return err
	}
	_, err = u.Open(r.Key())
	return err
}

// TestScripts: the same program makes the same session, and the seeds make sessions of
// either kind: some that are served to their end, some that are closed.
func TestScripts(t *testing.T) {
	cast := session.NewCast("native", topic, midnight)
	outcomes := make(map[session.Outcome]int)
	for i, program := range programs() {
		steps := session.Script(cast, program)
		for j, step := range session.Script(session.NewCast("native", topic, midnight), program) {
			if !bytes.Equal(step.Bytes, steps[j].Bytes) {
				t.Fatalf("program %d: step %d, %s, is another the second time", i, j, step.What)
			}
		}
		synctest.Test(t, func(t *testing.T) { outcomes[play(t, cast, steps)]++ })
	}
	if outcomes[session.Served] < 5 || outcomes[session.Closed] < 5 {
		t.Errorf("outcomes: %v", outcomes)
	}
	t.Log(outcomes)
}
