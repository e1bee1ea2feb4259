package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/fuzz/session"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

const topic = "fuzz"

// midnight is when the clock of a synctest bubble starts.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// programs are the seeds: some that are written by hand, in the order of script.go's
// operations, and bytes of a generator whose seed is fixed.
func programs() (all [][]byte) {
	all = [][]byte{
		{0, 0, 2, 255, 12, 1, 2, 3},                        // another author's run, behind the key of whom it names
		{0, 1, 0, 0, 3, 1, 0, 0, 3, 255, 13, 0},            // two runs, and a bad copy of the second
		{0, 0, 0, 255, 12, 0, 0, 1, 255, 13, 1},            // a bad copy of the first run that is sent
		{0, 255, 9, 2, 0xff, 0xff, 0},                      // almost 1 MiB announced
		{0, 1, 0, 0, 15, 1, 0, 2, 15, 5, 0, 3, 3, 11, 250}, // two histories, their proof, and 13 s
	}
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
	var beside sync.WaitGroup
	bystander, hangUp := net.Pipe()
	beside.Go(func() { r.Sync(context.Background(), bystander, replica.SyncConfig{Name: "bystander"}) })
	gone := make(chan struct{})
	beside.Go(func() { ask(hangUp, gone) })
	beside.Go(func() { follow(t, cast, hangUp) })
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
	close(gone)
	hangUp.Close()
	beside.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	checkStore(t, cast, st)
	return how
}

// follow is an honest peer that wants everything, and looks at all that it is passed.
func follow(t *testing.T, cast *session.Cast, conn net.Conn) {
	offered := make(map[keys.NodeID]keys.PublicKey)
	for {
		f, err := wire.ReadFrame(conn)
		if err != nil {
			return
		}
		var u wire.Unverified
		switch f.Type {
		case wire.FrameClose:
			t.Errorf("a bystander is sent away: %q", f.Body)
		case wire.FrameKey:
			var k keys.PublicKey
			k, err = wire.ParseKey(f.Body)
			offered[k.ID()] = k
		case wire.FrameRun:
			u, err = wire.ParseRun(topic, f.Body)
		case wire.FrameHead:
			u, err = wire.ParseHead(topic, f.Body)
		case wire.FrameFork:
			u, err = wire.ParseProof(topic, f.Body)
		}
		if err != nil {
			t.Errorf("a %v frame that was passed on: %v", f.Type, err)
		} else if u != nil {
			st, err := wire.Open(u, offered[u.Author()])
			if r, ok := st.(*wire.Run); err == nil && ok {
				err = authentic(cast, r)
			}
			if err != nil || !cast.Has(u.Author()) {
				t.Errorf("a %v frame of %v was passed on: %v", f.Type, u.Author(), err)
			}
		}
	}
}

// ask asks for everything, and then for nothing every ten seconds.
func ask(conn net.Conn, gone <-chan struct{}) {
	hello := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: 1, Topic: topic}}}
	conn.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)}))
	d := wire.Digest{Unnamed: wire.UnnamedWanted}
	for {
		d.Nonce++
		if _, err := conn.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDigest, Handle: 1, Body: d.Append(nil)})); err != nil {
			return
		}
		d.Unnamed = wire.UnnamedNotWanted
		select {
		case <-time.After(10 * time.Second):
		case <-gone:
			return
		}
	}
}

// checkStore: what is stored is of the cast, verified, and without holes.
func checkStore(t *testing.T, cast *session.Cast, st store.Store) {
	t.Helper()
	for end, err := range st.Frontiers(topic) {
		if err != nil {
			t.Fatal(err)
		}
		at, found := wire.Ref{Author: end.Author}, false
		for r, err := range st.Runs(topic, at) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Prev() != at {
				t.Errorf("a run behind %v is stored behind %v", r.Prev(), at)
			}
			if err := authentic(cast, r); err != nil {
				t.Errorf("stored: %v", err)
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

// authentic asks the cast, which knows what it has signed, and the signature.
func authentic(cast *session.Cast, r *wire.Run) error {
	for i := range r.Len() {
		if !cast.Signed(r.Ref(i)) {
			return fmt.Errorf("update %v, which its author has not signed", r.Ref(i))
		}
	}
	u, err := wire.ParseRun(topic, r.Body())
	if err == nil {
		_, err = u.Open(r.Key())
	}
	return err
}

// TestScripts: the same program makes the same session, and the seeds make sessions of
// either kind: some that are served to their end, some that are closed.
func TestScripts(t *testing.T) {
	cast, other := session.NewCast("native", topic, midnight), session.NewCast("native", topic, midnight)
	outcomes := make(map[session.Outcome]int)
	for i, program := range programs() {
		steps := session.Script(cast, program)
		for j, step := range session.Script(other, program) {
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
