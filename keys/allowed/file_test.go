package allowed_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

func TestOpenReadsWhatIsThere(t *testing.T) {
	a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	path := filepath.Join(t.TempDir(), "signers")
	keytest.Put(t, path, "# our fleet\n\nada@example "+a.String()+"\r\nbob@example,bob namespaces=\"git,hearsay-*\" "+b.String()+" at work")
	f, err := allowed.Open(path, allowed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keytest.WantAdmitted(t, f, a)
	keytest.WantAdmitted(t, f, b)
	keytest.WantUnknown(t, f, keytest.Recorded(t, "ed25519_passphrase"))
	want := []keys.NodeID{a.ID(), b.ID()}
	slices.SortFunc(want, keys.NodeID.Compare)
	if ids, err := f.List(t.Context()); err != nil || !slices.Equal(ids, want) {
		t.Errorf("List = %v, %v; want %v", ids, err, want)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	keytest.WantUnavailable(t, f, a) // nobody follows the file any more
	if _, err := f.List(t.Context()); err == nil {
		t.Error("List works after Close")
	}
}

func TestOpenNeedsAFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := allowed.Open(filepath.Join(dir, "none"), allowed.Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("no file: %v, want ErrNotExist that names it", err)
	}
	if _, err := allowed.Open(dir, allowed.Options{}); err == nil {
		t.Error("a directory is opened as a file")
	}
	large := filepath.Join(dir, "large")
	keytest.Put(t, large, strings.Repeat("# \n", allowed.MaxFileSize/3+1))
	if _, err := allowed.Open(large, allowed.Options{}); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
}

// TestLines has what admits and what does not, a line each.
func TestLines(t *testing.T) {
	k := keytest.Recorded(t, "ed25519")
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		options string
		want    bool
		window  keys.Window
	}{
		{"", true, keys.Window{}},
		{`namespaces="hearsay-update"`, true, keys.Window{}},
		{`namespaces="git,hearsay-update,file"`, true, keys.Window{}},
		{`namespaces="hearsay-*"`, true, keys.Window{}},
		{`namespaces="h?arsay*update"`, true, keys.Window{}},
		{`NAMESPACES="*"`, true, keys.Window{}},
		{`namespaces="git"`, false, keys.Window{}},
		{`namespaces="hearsay-head"`, false, keys.Window{}},
		{`namespaces="HEARSAY-UPDATE"`, false, keys.Window{}},
		{`namespaces="*,!hearsay-*"`, false, keys.Window{}},
		{`namespaces="!hearsay-*,*"`, false, keys.Window{}},
		{`namespaces="!git"`, false, keys.Window{}},
		{`namespaces=""`, false, keys.Window{}},
		{`cert-authority`, false, keys.Window{}},
		{`namespaces="hearsay-update",Cert-Authority`, false, keys.Window{}},
		{`valid-after="20260102Z"`, true, keys.Window{After: day(2026, 1, 2)}},
		{`valid-before="20260102z"`, true, keys.Window{Before: day(2026, 1, 2)}},
		{`valid-after="202601020304UTC"`, true, keys.Window{After: day(2026, 1, 2).Add(3*time.Hour + 4*time.Minute)}},
		{`valid-after="20260102030405Z",valid-before="20260102030406Z"`, true, keys.Window{
			After:  day(2026, 1, 2).Add(3*time.Hour + 4*time.Minute + 5*time.Second),
			Before: day(2026, 1, 2).Add(3*time.Hour + 4*time.Minute + 6*time.Second)}},
		{`valid-after="20260102Z",valid-before="20260102Z"`, false, keys.Window{}},
		{`valid-after="20260103Z",valid-before="20260102Z"`, false, keys.Window{}},
		{`valid-after="2026"`, false, keys.Window{}},
		{`valid-after="2026010203Z"`, false, keys.Window{}},
		{`valid-after="20261301Z"`, false, keys.Window{}},
		{`valid-after="20260230Z"`, false, keys.Window{}},
		{`valid-after="20260101240000Z"`, false, keys.Window{}},
		{`valid-after="2026-1-1Z"`, false, keys.Window{}},
		{`valid-after="+2026011Z"`, false, keys.Window{}},
		{`valid-before="19700101Z"`, false, keys.Window{}},
		{`valid-before="19600101Z"`, false, keys.Window{}},
		{`valid-before="Z"`, false, keys.Window{}},
		{`valid-before=""`, false, keys.Window{}},
		{`no-pty`, false, keys.Window{}},
	} {
		path := filepath.Join(t.TempDir(), "signers")
		keytest.Put(t, path, "ada "+tt.options+" "+k.String()+"\n")
		f, err := allowed.Open(path, allowed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.LookupAdmission(t.Context(), k.ID())
		if (err == nil) != tt.want || err != nil && !errors.Is(err, keys.ErrUnknown) {
			t.Errorf("%s: %v, %v; want admitted: %t", tt.options, a, err, tt.want)
		}
		var ws keys.Windows
		if tt.window != (keys.Window{}) {
			ws = keys.Windows{tt.window}
		}
		if tt.want && !a.Windows.Equal(ws) {
			t.Errorf("%s: %v, want %v", tt.options, a.Windows, ws)
		}
		f.Close()
	}
}

func TestLinesOfOneKeyAddUp(t *testing.T) {
	k, any := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	path := filepath.Join(t.TempDir(), "signers")
	keytest.Put(t, path, "ada valid-before=\"20250101Z\" "+k.String()+"\n"+
		"ada valid-after=\"20260101Z\" "+k.String()+"\n"+
		"ada cert-authority "+k.String()+"\n"+
		"bob valid-after=\"20260101Z\" "+any.String()+"\nbob "+any.String()+"\n")
	f, err := allowed.Open(path, allowed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keytest.WantAdmitted(t, f, k,
		keys.Window{Before: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)},
		keys.Window{After: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	keytest.WantAdmitted(t, f, any)
}

// TestLinesOfOneKeyAreBounded: each of its windows costs every look-up.
func TestLinesOfOneKeyAreBounded(t *testing.T) {
	k := keytest.Recorded(t, "ed25519")
	var text strings.Builder
	var want []keys.Window
	for i := range 65 {
		w := keys.Window{Before: time.Unix(1e9+int64(i), 0).UTC()}
		fmt.Fprintf(&text, "a valid-before=\"%s\" %v\n", w.Before.Format("20060102150405Z"), k)
		if i < 64 {
			want = append(want, w)
		}
	}
	inBubble(t, text.String(), func(d fixture) {
		keytest.WantAdmitted(t, d.File, k, want...)
		if p := d.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "line 65: ") {
			t.Errorf("problems: %v; want line 65", p)
		}
	})
	inBubble(t, text.String()+"a "+k.String(), func(d fixture) { keytest.WantAdmitted(t, d.File, k) }) // at any time
}

func TestPrincipal(t *testing.T) {
	a, b, c := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048"), keytest.Recorded(t, "ed25519_passphrase")
	path := filepath.Join(t.TempDir(), "signers")
	keytest.Put(t, path, "ada@example "+a.String()+"\n*@other,*@example,!bob@* "+b.String()+"\nbob@example "+c.String()+"\n")
	for principal, want := range map[string][]keys.PublicKey{
		"":            {a, b, c},
		"ada@example": {a, b},
		"bob@example": {c},
		"cy@other":    {b},
		"ADA@example": {b},
		"nobody":      nil,
	} {
		f, err := allowed.Open(path, allowed.Options{Principal: principal})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []keys.PublicKey{a, b, c} {
			if slices.Contains(want, k) {
				keytest.WantAdmitted(t, f, k)
			} else {
				keytest.WantUnknown(t, f, k)
			}
		}
		f.Close()
	}
}

// TestFollows changes the file behind the keystore's back.
func TestFollows(t *testing.T) {
	a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	inBubble(t, "ada "+a.String()+"\n", func(d fixture) {
		changed := d.Changed()
		keytest.Second()
		if keytest.Closed(changed) {
			d.t.Error("Changed is closed, and nothing has changed")
		}
		keytest.Put(d.t, d.path, "ada "+a.String()+"\nbob "+b.String()+"\n")
		keytest.Second()
		keytest.WantAdmitted(d.t, d.File, b)
		if !keytest.Closed(changed) {
			d.t.Error("Changed is not closed by a line that was added")
		}

		changed = d.Changed()
		keytest.Put(d.t, d.path, "ada "+a.String()+" another comment\nbob "+b.String()+"\n")
		keytest.Second()
		if keytest.Closed(changed) {
			d.t.Error("Changed is closed by a comment")
		}

		until := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		keytest.Put(d.t, d.path, "ada valid-before=\"20260101Z\" "+a.String()+"\nbob "+b.String()+"\n")
		keytest.Second()
		keytest.WantAdmitted(d.t, d.File, a, keys.Window{Before: until})
		if !keytest.Closed(changed) {
			d.t.Error("Changed is not closed by a window")
		}

		next := filepath.Join(filepath.Dir(d.path), "next")
		keytest.Put(d.t, next, "bob "+b.String()+"\n")
		if err := os.Rename(next, d.path); err != nil {
			d.t.Fatal(err)
		}
		keytest.Second()
		keytest.WantUnknown(d.t, d.File, a)
		keytest.WantAdmitted(d.t, d.File, b)
	})
}

func TestUnreadable(t *testing.T) {
	a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	inBubble(t, "ada "+a.String()+"\n", func(d fixture) {
		if err := os.Rename(d.path, d.path+"~"); err != nil {
			d.t.Fatal(err)
		}
		keytest.Second()
		keytest.WantAdmitted(d.t, d.File, a)
		keytest.WantUnavailable(d.t, d.File, b)
		if ids, err := d.List(d.t.Context()); err != nil || len(ids) != 1 {
			d.t.Errorf("List = %v, %v; want what was admitted last", ids, err)
		}
		if p := d.Problems(); len(p) != 1 || !errors.Is(p[0], fs.ErrNotExist) {
			d.t.Errorf("problems: %v", p)
		}
		keytest.Put(d.t, d.path, strings.Repeat("# \n", allowed.MaxFileSize/3+1))
		keytest.Second()
		keytest.WantAdmitted(d.t, d.File, a)
		if err := os.Rename(d.path+"~", d.path); err != nil {
			d.t.Fatal(err)
		}
		keytest.Second()
		keytest.WantUnknown(d.t, d.File, b)
		if n := strings.Count(d.log.String(), "cannot be read"); n != 1 || !strings.Contains(d.log.String(), "can be read again") {
			d.t.Errorf("the log:\n%s", d.log)
		}
	})
}

// TestBadLines has one line of each sort that admits nobody. The others count, and
// each is logged once.
func TestBadLines(t *testing.T) {
	good := keytest.Recorded(t, "ed25519")
	read := func(name string) string {
		b, err := os.ReadFile(keytest.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	bad := []string{
		"\xef\xbb\xbfada " + good.String(), // ssh-keygen reads the mark as part of the name
		good.String(),
		"ada ssh-ed25519 AAAA",
		"ada " + read("ecdsa.pub"),
		"ada " + read("rsa1024.pub"),
		"ada " + read("ed25519_cert.pub"),
		"ada shiny " + good.String(),
		"ada " + good.String() + strings.Repeat(" x", allowed.MaxLine/2),
	}
	inBubble(t, strings.Join(bad, "\n")+"\nada "+good.String()+"\n", func(d fixture) {
		keytest.Second()
		keytest.WantAdmitted(d.t, d.File, good)
		problems := d.Problems()
		if len(problems) != len(bad) {
			d.t.Fatalf("problems: %v", problems)
		}
		for i, err := range problems {
			if p, ok := errors.AsType[*allowed.Problem](err); !ok || p.Line != i+1 || p.Err == nil {
				d.t.Errorf("%v is no *Problem of line %d", err, i+1)
			}
		}
		if n := strings.Count(d.log.String(), "line of allowed signers"); n != len(bad) {
			d.t.Errorf("%d lines are logged, want %d", n, len(bad))
		}
		keytest.Put(d.t, d.path, strings.Join(bad, "\n")+"\nada "+good.String()+" again\n")
		keytest.Second()
		if n := strings.Count(d.log.String(), "line of allowed signers"); n != len(bad) {
			d.t.Errorf("%d lines are logged after the second look, want %d", n, len(bad))
		}
	})
}

func TestLocalTimeIsSaid(t *testing.T) {
	k := keytest.Recorded(t, "ed25519")
	inBubble(t, "ada valid-before=\"20300101\" "+k.String()+"\n", func(d fixture) {
		if _, err := d.Lookup(d.t.Context(), k.ID()); err != nil {
			d.t.Error(err)
		}
		if p := d.Problems(); len(p) != 1 || !strings.Contains(p[0].Error(), "append Z") {
			d.t.Errorf("problems: %v; want one about the time zone", p)
		}
	})
}
