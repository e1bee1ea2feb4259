package scuttlebutt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	a, b := newModel(t, "A"), newModel(t, "B")
	set(t, a, "k", `1`)
	set(t, a, "k", `2`)
	set(t, a, "l", `"é"`)
	var file bytes.Buffer
	if err := a.Save(&file); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(file.String(), "\n"); got != 4 || !strings.HasSuffix(file.String(), "\"SYNC\"\n") {
		t.Errorf("saved %q", file.String())
	}
	l, err := b.Load(t.Context(), bytes.NewReader(file.Bytes()))
	if err != nil || l.Updates != 2 || l.Torn != 0 || l.Refused != 0 || l.End != int64(file.Len()) {
		t.Errorf("%+v, %v", l, err)
	}
	want(t, b, `k=2 l="é"`)
	// A date far ahead was taken before, and is again.
	l, err = b.Load(t.Context(), strings.NewReader(`[["far",1],9e15,"X"]`+"\n"+`[["torn",1],9e15,"Y`))
	if err != nil || l.Updates != 1 || l.Torn != 19 || l.End != 21 {
		t.Errorf("%+v, %v", l, err)
	}
	want(t, b, `far=1 k=2 l="é"`)
	if _, err := b.Load(t.Context(), strings.NewReader("{\"clock\":{}}\nnonsense\n")); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a malformed line: %v", err)
	}
}

func open(t *testing.T, m *Model, path string) (*File, Loaded) {
	t.Helper()
	f, l, err := OpenFile(t.Context(), &m.Node, path)
	if err != nil {
		t.Fatal(err)
	}
	return f, l
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	a := newModel(t, "A")
	set(t, a, "before", `1`)
	f, _ := open(t, a, path)
	set(t, a, "after", `1`)
	if _, _, err := OpenFile(t.Context(), &newModel(t, "C").Node, path); err == nil {
		t.Error("the file was opened twice")
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	set(t, a, "after", `2`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	// It ends as that of a program that was killed while it wrote.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, `[["torn","`+strings.Repeat("x", 500)...), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newModel(t, "B")
	set(t, b, "own", `1`)
	f, l := open(t, b, path)
	if l.Torn != 510 || l.Updates != 3 {
		t.Errorf("%+v", l)
	}
	want(t, b, "after=2 before=1 own=1")
	set(t, b, "later", `1`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ = os.ReadFile(path)
	if lines := strings.Split(string(text), "\n"); len(lines) != 8 || !strings.Contains(lines[5], "own") || !strings.Contains(lines[6], "later") {
		t.Errorf("the file is\n%s", text)
	}

	// Its last line is whole but for the newline.
	if err := os.WriteFile(path, bytes.TrimSuffix(text, []byte("\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newModel(t, "C")
	f, _ = open(t, c, path)
	for range 10 {
		set(t, c, "later", `2`)
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// Most of it has been replaced: it is written anew.
	d := newModel(t, "D")
	f, l = open(t, d, path)
	if err := f.Close(); err != nil || l.Updates != 15 {
		t.Errorf("%+v, %v", l, err)
	}
	want(t, d, "after=2 before=1 later=2 own=1")
	if text, _ = os.ReadFile(path); strings.Count(string(text), "\n") != 6 {
		t.Errorf("the file is\n%s", text)
	}
}

// TestFileOfStrangers: a signed history is verified when it is loaded, and is not written
// anew without what was refused.
func TestFileOfStrangers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	a := secureModel(t, security(t, "rsa1024"))
	for range 5 {
		set(t, a, "k", `1`)
	}
	set(t, a, "k", `2`)
	var file bytes.Buffer
	if err := a.Save(&file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	b := secureModel(t, security(t, "rsa2048")) // which does not know a's key
	f, l := open(t, b, path)
	if err := f.Close(); err != nil || l.Refused != 1 || b.Stats().Updates != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if text, _ := os.ReadFile(path); !bytes.Equal(text, file.Bytes()) {
		t.Errorf("the file is\n%s", text)
	}
	c := secureModel(t, security(t, "rsa2048", "rsa1024"))
	f, l = open(t, c, path)
	if err := f.Close(); err != nil || l.Refused != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	want(t, c, "k=2")
}

// TestFileFirst: an own update is in the file before it is anywhere else.
func TestFileFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	a := newModel(t, "A")
	f, _ := open(t, a, path)
	f.end() // nothing is written behind the node's back
	f.work.Wait()
	u := set(t, a, "k", `1`)
	if text, _ := os.ReadFile(path); !bytes.Contains(text, u.Line()) {
		t.Errorf("the file is\n%s", text)
	}
	f.file.Close()
	if _, err := a.Set(t.Context(), "k", []byte(`2`)); err == nil {
		t.Error("an update was made that could not be kept")
	}
	want(t, a, "k=1")
}

func TestLines(t *testing.T) {
	for _, line := range []string{`[["k",1.5],1795217819806.002,"A"]`, `[{},5,"\ud800","x=="]`} {
		u, err := ParseUpdate([]byte(line))
		if err != nil || string(u.Line()) != line {
			t.Errorf("%s: %s, %v", line, u.Line(), err)
		}
	}
	for _, line := range []string{``, `[]`, `{}`, `[[],1]`} {
		if u, err := ParseUpdate([]byte(line)); err == nil {
			t.Errorf("%s: %v", line, u)
		}
	}
}

// TestLocalUpdateAt: what was made elsewhere keeps its time, unless we have later ones.
func TestLocalUpdateAt(t *testing.T) {
	m := newModel(t, "A")
	for _, c := range []struct{ at, want float64 }{{5, 5}, {7.5, 7.5}, {6, 7.500000000000001}} {
		change, err := SetChange("k", []byte(`1`))
		if err != nil {
			t.Fatal(err)
		}
		if u, err := m.LocalUpdateAt(t.Context(), change, c.at); err != nil || u.Timestamp != c.want {
			t.Errorf("at %v: %v, %v; want %v", c.at, u.Timestamp, err, c.want)
		}
	}
	if _, err := m.LocalUpdateAt(t.Context(), []byte(`["k",1]`), 1e300); !errors.Is(err, ErrFuture) {
		t.Errorf("%v", err)
	}
}

// TestFileOrder: updates of before the file was opened are in it before later ones, which
// would hide them when it is loaded.
func TestFileOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	line := `[["k",1],5,"S"]` + "\n"
	if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newModel(t, "A")
	for i := range 3 * batch {
		set(t, a, fmt.Sprint(i), `1`)
	}
	f, _ := open(t, a, path)
	set(t, a, "last", `1`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if l := bytes.Count(text, []byte("\n")); l != 3*batch+2 {
		t.Errorf("%d lines", l)
	}
	b := newModel(t, "B")
	f, _ = open(t, b, path)
	f.Close()
	if state(b) != state(a) {
		t.Errorf("%d updates were loaded; want %d", b.Stats().Updates, a.Stats().Updates)
	}
}

// TestFileFull: an own update that there is no room for is not in the file either, and
// comes back from nowhere.
func TestFileFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	a, err := NewModel(Config{ID: "A", MaxUpdates: 2})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := open(t, a, path)
	set(t, a, "k", `1`)
	set(t, a, "l", `1`)
	if _, err := a.Set(t.Context(), "m", []byte(`1`)); !errors.Is(err, ErrFull) {
		t.Errorf("Set = %v", err)
	}
	set(t, a, "l", `2`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b := newModel(t, "B")
	f, _ = open(t, b, path)
	f.Close()
	want(t, b, "k=1 l=2")
}

// TestFileNext: what one file holds is not missing in the next one.
func TestFileNext(t *testing.T) {
	dir := t.TempDir()
	a := newModel(t, "A")
	f, _ := open(t, a, filepath.Join(dir, "1"))
	set(t, a, "k", `1`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(dir, "2")
	if err := os.WriteFile(next, []byte(`[["l",1],5,"S"]`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, _ = open(t, a, next)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b := newModel(t, "B")
	f, _ = open(t, b, next)
	f.Close()
	want(t, b, "k=1 l=1")
}

// TestFileClock: own updates are later than what peers know of a node, although those have
// been replaced, the file written anew, and the system's clock set back since.
func TestFileClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	began := time.Now()
	var last float64
	for restart := range 3 {
		a := newModel(t, "A")
		a.now = func() time.Time { return began.Add(-time.Duration(restart) * time.Hour) }
		f, _ := open(t, a, path)
		if restart != 1 {
			u, err := a.Set(t.Context(), "k", json.RawMessage(`1`))
			if restart == 2 {
				if !errors.Is(err, ErrFuture) {
					t.Errorf("two hours before what peers know: %v", err)
				}
				a.now = func() time.Time { return began }
				u, err = a.Set(t.Context(), "k", json.RawMessage(`1`))
			}
			if err != nil || u.Timestamp <= last {
				t.Errorf("an update of %v, and peers know one of %v: %v", u.Timestamp, last, err)
			}
			last = u.Timestamp
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		b := newModel(t, "B")
		b.now = func() time.Time { return began.Add(time.Duration(restart+1) * time.Second) }
		set(t, b, "k", `2`)
		var anew bytes.Buffer
		if err := errors.Join(b.Save(&anew), func() error { _, err := a.Load(t.Context(), &anew); return err }()); err != nil {
			t.Fatal(err)
		}
		anew.Reset()
		if err := errors.Join(a.Save(&anew), os.WriteFile(path, anew.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(anew.String(), `"A"]`) {
			t.Fatalf("an own update stands in the file: %s", anew.String())
		}
	}
}
