package modeltest_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/modeltest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// toy is a map of which the last writer wins, with at most one defect. A change is an op,
// 1 set or 2 delete, a key behind its length, and a value.
type toy struct {
	defect string

	mu        sync.Mutex // guards the fields below
	now, next map[string]record
	buffered  bool // next is what a rebuild has made so far
	last      map[keys.NodeID]uint64
	told      func(key, line string) // the watcher's, nil for none; no line: the key has gone
	junk      int
	kept      [][]byte
}

type record struct {
	replica.Update // without Change
	value          []byte
	deleted        bool
	more           string // what a defect adds
}

var errToy = errors.New("toy: malformed change")

func newToy(defect string) *toy {
	return &toy{defect: defect, now: make(map[string]record), last: make(map[keys.NodeID]uint64)}
}

func (m *toy) is(defect string) bool { return m.defect == defect }

func (m *toy) ApplyUpdate(u replica.Update) (changed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := u.Change
	switch {
	case m.is("panics when empty"):
		_ = c[0]
	case m.is("believes a length") && len(c) > 5 && c[1] == 0xff:
		sink = make([]byte, 1<<24)
	case m.is("takes long") && len(c) > 1<<10 && naps.Add(1) < 30:
		time.Sleep(2 * modeltest.Slow)
	case m.is("takes long when largest") && len(c) > 1<<17 && naps.Add(1) < 30:
		time.Sleep(6 * modeltest.Slow)
	case m.is("panics at the hundredth") && bytes.Count(c, []byte("\x01\x01k")) >= 100:
		panic("toy")
	case m.is("keeps what nobody reads"):
		m.kept = append(m.kept, c)
	case m.is("writes to the change") && len(c) > 0:
		defer func() { c[0]++ }()
	}
	if len(c) < 3 || c[0] != 1 && c[0] != 2 || len(c) < 2+int(c[1]) || c[1] == 0 {
		return m.refuse()
	}
	key, value := string(c[2:2+int(c[1])]), c[2+int(c[1]):]
	if !m.is("keeps the change") {
		value = bytes.Clone(value)
	}
	r := record{Update: u, value: value, deleted: c[0] == 2}
	r.Change = nil
	return m.set(key, r)
}

var (
	sink []byte
	naps atomic.Int32 // bounds what the test of slowness costs
)

// refuse is the end of a change that means nothing.
func (m *toy) refuse() (bool, error) {
	switch m.defect {
	case "errors leave a trace":
		m.junk++
	case "errors change":
		return true, errToy
	case "errors say nothing":
		return false, errors.New("")
	}
	return false, errToy
}

func (m *toy) set(key string, r record) (bool, error) {
	all := m.now
	if m.buffered {
		all = m.next
	}
	old, there := all[key]
	switch wins := !there || old.Before(&r.Update); m.defect {
	case "last arrival":
		// whatever its time
	case "tie by arrival":
		if there && old.Time > r.Time {
			return false, nil
		}
	case "tells what has no effect":
		if !wins {
			if m.told != nil {
				m.told(key, r.line(key))
			}
			return false, nil
		}
	case "higher seqs only":
		if m.last[r.Author] > r.Seq {
			return false, nil
		}
		m.last[r.Author] = r.Seq
		if !wins {
			return false, nil
		}
	case "clock":
		r.more = fmt.Sprint(time.Now())
	case "local":
		r.more = fmt.Sprint(r.Local)
	default:
		if !wins {
			return false, nil
		}
	}
	all[key] = r
	if m.told != nil && (!m.buffered || m.is("tells of replays")) {
		m.told(key, r.line(key))
	}
	return !m.is("says that nothing changed"), nil
}

func (m *toy) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch m.defect {
	case "reset keeps all":
	case "reset is seen":
		m.now = make(map[string]record)
	case "reset of a reset keeps":
		if !m.buffered {
			m.next = make(map[string]record)
		}
		m.buffered = true
	default:
		m.next, m.buffered = make(map[string]record), true
	}
	clear(m.last)
}

func (m *toy) Rebuilt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.is("rebuilt of nothing keeps") && len(m.next) == 0 {
		m.buffered = false
	}
	if m.is("rebuilt empties") || m.buffered {
		m.tellDifferences()
		m.now = m.next
	}
	m.next, m.buffered = nil, false
}

// tellDifferences tells the watcher what a rebuild has changed.
func (m *toy) tellDifferences() {
	if m.told == nil || m.is("tells of replays") {
		return
	}
	for key, r := range m.now {
		if m.next[key].line(key) == "" && r.line(key) != "" && !m.is("tells no retraction") {
			m.told(key, "")
		}
	}
	for key, r := range m.next {
		if line := r.line(key); line != m.now[key].line(key) {
			m.told(key, line)
		}
	}
}

// line is what is shown of a record.
func (r record) line(key string) string {
	if r.deleted || r.Seq == 0 {
		return ""
	}
	return fmt.Sprintf("%q=%q of %d %d %s\n", key, r.value, r.Seq, r.Time, r.more)
}

// watch keeps a copy of what it is told.
func (m *toy) watch() (copied func() string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := make(map[string]string)
	m.told = func(key, line string) { lines[key] = line }
	return func() string {
		b := &strings.Builder{}
		for _, key := range slices.Sorted(maps.Keys(lines)) {
			b.WriteString(lines[key])
		}
		return b.String()
	}
}

func (m *toy) state() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.now))
	if m.is("unsorted") {
		keys = slices.Collect(maps.Keys(m.now))
	}
	b := &strings.Builder{}
	for _, k := range keys {
		b.WriteString(m.now[k].line(k))
	}
	if m.junk > 0 {
		fmt.Fprintf(b, "junk %d\n", m.junk)
	}
	return b.String()
}

// shown is the updates whose value is shown; a defect shows none of those that have no
// older one of another author beneath.
func (m *toy) shown() (refs []wire.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	authors := make(map[keys.NodeID]bool)
	for _, r := range m.now {
		authors[r.Author] = true
	}
	for _, r := range m.now {
		if !r.deleted && !(m.is("hides what stands alone") && len(authors) < 2) {
			refs = append(refs, r.Ref)
		}
	}
	return refs
}

// plain is a toy whose readers see rebuilds.
type plain struct{ m *toy }

func (p plain) ApplyUpdate(u replica.Update) (bool, error) { return p.m.ApplyUpdate(u) }

func (p plain) Reset() {
	if p.m.is("plain reset keeps all") {
		return
	}
	p.m.Reset()
	p.m.Rebuilt()
}

func kitOf(defect string) modeltest.Kit {
	return modeltest.Kit{
		New: func() modeltest.Subject {
			m := newToy(defect)
			if strings.HasPrefix(defect, "plain") {
				return modeltest.Subject{Model: plain{m}, State: m.state, Watch: m.watch}
			}
			return modeltest.Subject{Model: m, State: m.state, Shown: m.shown, Watch: m.watch}
		},
		Change:  drawToy(defect),
		Refused: refused(defect),
	}
}

func refused(defect string) [][]byte {
	all := [][]byte{nil, {1}, []byte("\x03\x01k"), []byte("\x01\x00"), []byte("\x01\x02k")}
	if defect == "takes what it ought to refuse" {
		all = append(all, []byte("\x01\x01k"))
	}
	return all
}

func drawToy(defect string) func(*rapid.T, []replica.Update, keys.NodeID) []byte {
	return func(t *rapid.T, seen []replica.Update, self keys.NodeID) []byte {
		key := rapid.SampledFrom([]string{"k", "key", "x"}).Draw(t, "key")
		if defect == "kit draws nothing" {
			return []byte("\x02\x01k")
		}
		if defect == "kit draws errors" {
			return []byte("\x03\x01k")
		}
		op := rapid.SampledFrom([]byte{1, 1, 1, 2}).Draw(t, "op")
		c := append([]byte{op, byte(len(key))}, key...)
		return fmt.Appendf(c, "%d", len(seen))
	}
}
