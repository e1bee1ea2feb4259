package dir_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

var (
	_ keys.Keystore = (*dir.Dir)(nil)
	_ keys.Notifier = (*dir.Dir)(nil)
	_ keys.Lister   = (*dir.Dir)(nil)
	_ io.Closer     = (*dir.Dir)(nil)
)

// fixture is an open keystore in a new directory.
type fixture struct {
	*dir.Dir
	t    *testing.T
	path string
	log  *bytes.Buffer // written by looks; read when they rest
}

// inBubble runs f on an open keystore, with the bubble's clock.
func inBubble(t *testing.T, f func(t *testing.T, d fixture)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trusted")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		d, err := dir.Open(path, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		f(t, fixture{d, t, path, log})
	})
}

func (d fixture) file(id keys.NodeID) string { return filepath.Join(d.path, id.String()+".pub") }

func (d fixture) put(path, text string) {
	d.t.Helper()
	keytest.Put(d.t, path, text)
}

func (d fixture) rename(from, to string) {
	d.t.Helper()
	if err := os.Rename(from, to); err != nil {
		d.t.Fatal(err)
	}
}

func (d fixture) wantAdmitted(k keys.PublicKey) {
	d.t.Helper()
	keytest.WantAdmitted(d.t, d, k)
}

func (d fixture) wantUnknown(k keys.PublicKey) {
	d.t.Helper()
	keytest.WantUnknown(d.t, d, k)
}

func (d fixture) wantUnavailable(k keys.PublicKey) {
	d.t.Helper()
	keytest.WantUnavailable(d.t, d, k)
}

func (d fixture) wantProblems(says ...string) {
	d.t.Helper()
	problems := d.Problems()
	if len(problems) != len(says) {
		d.t.Errorf("problems: %v; want %d", problems, len(says))
		return
	}
	for i, p := range problems {
		if !keytest.Says(p, says[i]) {
			d.t.Errorf("problem %d: %v; want one about %q", i, p, says[i])
		}
	}
}

func (d fixture) wantLogged(text string, times int) {
	d.t.Helper()
	if got := strings.Count(d.log.String(), text); got != times {
		d.t.Errorf("%q is logged %d times, want %d:\n%s", text, got, times, d.log)
	}
}

func TestOpenReadsWhatIsThere(t *testing.T) {
	path, a, b := t.TempDir(), keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	for _, k := range []keys.PublicKey{a, b} {
		if err := os.WriteFile(filepath.Join(path, k.ID().String()+".pub"), []byte("# who\n"+k.AuthorizedKey("ada")+"\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := dir.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{d, t, path, nil}
	f.wantAdmitted(a)
	f.wantAdmitted(b)
	f.wantUnknown(keytest.Recorded(t, "ed25519_passphrase"))
	want := []keys.NodeID{a.ID(), b.ID()}
	slices.SortFunc(want, keys.NodeID.Compare)
	if ids, err := d.List(t.Context()); err != nil || !slices.Equal(ids, want) {
		t.Errorf("List = %v, %v; want %v", ids, err, want)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	f.wantUnavailable(a) // nobody follows the directory any more
	if _, err := d.List(t.Context()); err == nil {
		t.Error("List works after Close")
	}
	if _, _, err := d.Add(keytest.Recorded(t, "ed25519_passphrase"), ""); err == nil {
		t.Error("Add works after Close")
	}
	if err := d.Remove(a.ID()); err == nil {
		t.Error("Remove works after Close")
	}
}

func TestOpenNeedsADirectory(t *testing.T) {
	path := t.TempDir()
	if _, err := dir.Open(filepath.Join(path, "none"), nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("no directory: %v, want ErrNotExist that names it", err)
	}
	if _, err := dir.Open(keytest.Path("README.md"), nil); err == nil {
		t.Error("a file is opened as a directory")
	}
}

// TestFollows changes the directory behind the keystore's back.
func TestFollows(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
		changed := d.Changed()

		d.put(d.file(a.ID()), a.AuthorizedKey("ada"))
		keytest.Second()
		d.wantAdmitted(a)
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by a file that was added")
		}

		changed = d.Changed()
		keytest.Second()
		if keytest.Closed(changed) {
			t.Error("Changed is closed, and nothing has changed")
		}

		d.put(filepath.Join(d.path, "new"), b.AuthorizedKey("")) // no .pub: not looked at
		keytest.Second()
		d.wantUnknown(b)
		d.rename(filepath.Join(d.path, "new"), d.file(b.ID()))
		keytest.Second()
		d.wantAdmitted(b)

		d.put(d.file(a.ID()), a.AuthorizedKey("another comment"))
		keytest.Second()
		d.wantAdmitted(a)

		changed = d.Changed()
		if err := os.Remove(d.file(a.ID())); err != nil {
			t.Fatal(err)
		}
		keytest.Second()
		d.wantUnknown(a)
		d.wantAdmitted(b)
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by a file that was removed")
		}
		d.wantProblems()
	})
}

// TestHalfWritten sees a file before it is whole, and one that stops being whole.
func TestHalfWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a := keytest.Recorded(t, "rsa2048")
		line := a.AuthorizedKey("ada")
		d.put(d.file(a.ID()), line[:100])
		keytest.Second()
		d.wantUnknown(a)
		d.wantProblems(a.ID().String())
		d.put(d.file(a.ID()), line)
		keytest.Second()
		d.wantAdmitted(a)
		d.wantProblems()
		d.put(d.file(a.ID()), strings.Repeat("x", len(line))) // the same size
		keytest.Second()
		d.wantUnknown(a)
	})
}

// TestFormats has a file of each, told apart by what is in it.
func TestFormats(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		for _, file := range []string{
			"ed25519.pub", "ed25519_public", "ed25519_rfc4716", "rsa2048.pub", "rsa2048_public", "rsa2048_public_pkcs1", "rsa2048_rfc4716",
		} {
			k, _, err := keys.ParsePublicFile([]byte(keytest.File(t, file)))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"who.pub", "who.pem", "authorized_keys", k.ID().String() + ".pem"} {
				path := filepath.Join(d.path, name)
				d.put(path, keytest.File(t, file))
				keytest.Second()
				if !d.Has(k.ID()) {
					t.Errorf("%s as %s: not admitted: %v", file, name, d.Problems())
				}
				if err := d.Remove(k.ID()); err != nil || d.Has(k.ID()) {
					t.Errorf("%s as %s: Remove: %v", file, name, err)
				}
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s as %s: the file is there after Remove: %v", file, name, err)
				}
			}
		}
	})
}

// TestSeveralInAFile withdraws one of several, and names the lines that hold none.
func TestSeveralInAFile(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b, c := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048"), keytest.Recorded(t, "ed25519_passphrase")
		path := filepath.Join(d.path, "authorized_keys")
		d.put(path, "# all\n\nrestrict,command=\"x y\" "+a.AuthorizedKey("ada")+"\nnonsense\n"+keytest.File(t, "ecdsa.pub")+b.String()+"\r\n"+c.String())
		d.put(filepath.Join(d.path, "c.pub"), c.AuthorizedKey("again"))
		keytest.Second()
		for _, k := range []keys.PublicKey{a, b, c} {
			d.wantAdmitted(k)
		}
		d.wantProblems("authorized_keys:4: .*no key type", "authorized_keys:5: .*ecdsa")
		if err := d.Remove(c.ID()); err != nil {
			t.Fatal(err)
		}
		d.wantUnknown(c)
		d.wantAdmitted(a)
		if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), c.String()) || !strings.Contains(string(text), "# all") {
			t.Errorf("the file is %q, %v", text, err)
		}
		d.put(path, strings.Repeat("nonsense\n", 100)+a.String())
		keytest.Second()
		d.wantAdmitted(a)
		d.wantUnknown(b)
		if p := d.Problems(); len(p) != 11 || !keytest.Says(p[10], "authorized_keys: 90 more lines") {
			t.Errorf("problems: %v", p)
		}
		d.put(d.file(a.ID()), a.String()+"\n"+b.String())
		keytest.Second()
		d.wantUnknown(b)
	})
}

// TestSkips has one file of each sort that admits nobody. The others count, and
// each is logged once.
func TestSkips(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		good, other := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "ed25519_passphrase")
		d.put(d.file(good.ID()), good.AuthorizedKey(""))
		d.put(filepath.Join(d.path, "README"), "no key")
		d.put(filepath.Join(d.path, "put-aside.pub.off"), other.AuthorizedKey(""))
		d.put(filepath.Join(d.path, ".x.tmp"), "not looked at")
		for name, text := range map[string]string{
			"1-empty.pub":   "",
			"2-large.pub":   other.AuthorizedKey(strings.Repeat("x", dir.MaxFileSize)),
			"3-ecdsa.pub":   keytest.File(t, "ecdsa.pub"),
			"4-rsa1024.pub": keytest.File(t, "rsa1024.pub"),
			"5-private.pub": keytest.File(t, "ed25519"),
			"6-private.pem": keytest.File(t, "rsa2048_pkcs8enc"),
			"7-private":     keytest.File(t, "rsa2048_pkcs1"),
			"7-marked.pem":  "\xef\xbb\xbf" + keytest.File(t, "rsa2048_public"),
			"7-marked.pub":  "\xef\xbb\xbf" + keytest.File(t, "ed25519"),
			"9-cert.pub":    keytest.File(t, "ed25519_cert.pub"),
			"9-x509.pem":    keytest.File(t, "ed25519_x509"),
		} {
			d.put(filepath.Join(d.path, name), text)
		}
		if err := os.Mkdir(filepath.Join(d.path, "8-dir.pub"), 0o700); err != nil {
			t.Fatal(err)
		}
		keytest.Second()
		keytest.Second()
		d.wantAdmitted(good)
		d.wantUnknown(other)
		d.wantProblems("1-empty", "larger than", "3-ecdsa.pub:1: .*ecdsa-sha2-nistp256", "1024 bits", "5-private.pub: it is a private key, .* move it away",
			"6-private.pem: it is a private key", "7-marked.pem: .*byte order mark", "7-marked.pub: it is a private key", "7-private: it is a private key", "not a regular file", "9-cert.pub:1: .*cert", "openssl x509")
		d.wantLogged("key file skipped", 12)
		if strings.Contains(d.log.String(), "b3BlbnNzaC1rZXktdjE") {
			t.Error("a private key stands in the log")
		}
		d.put(filepath.Join(d.path, "1-empty.pub"), "now another problem")
		keytest.Second()
		d.wantLogged("key file skipped", 13)
		for _, err := range d.Problems() {
			if p, ok := errors.AsType[*dir.Problem](err); !ok || p.File == "" || p.Err == nil {
				t.Errorf("%v is no *Problem with its file and error", err)
			}
		}
	})
}

func TestAttack(t *testing.T) {
	// Whoever can write one file there cannot give an author another key.
	t.Run("wrong-key", func(t *testing.T) {
		inBubble(t, func(t *testing.T, d fixture) {
			author, thief := keytest.Recorded(t, "rsa2048"), keytest.Recorded(t, "ed25519")
			d.put(d.file(author.ID()), thief.AuthorizedKey("the author, honestly"))
			keytest.Second()
			d.wantUnknown(author)
			d.wantUnknown(thief)
			d.wantProblems("another key than its name says")
		})
	})
}

// TestUnreadable takes the directory away and puts it back.
func TestUnreadable(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
		d.put(d.file(a.ID()), a.AuthorizedKey(""))
		keytest.Second()
		d.rename(d.path, d.path+".away")
		keytest.Second()
		keytest.Second()
		d.wantAdmitted(a)
		d.wantUnavailable(b)
		d.wantProblems("trusted")
		d.wantLogged("cannot be read", 1)
		if ids, err := d.List(t.Context()); err != nil || !slices.Equal(ids, []keys.NodeID{a.ID()}) {
			t.Errorf("List = %v, %v; want what was admitted", ids, err)
		}
		if _, added, err := d.Add(b, ""); err == nil || added {
			t.Errorf("Add = %t, %v; want an error", added, err)
		}

		changed := d.Changed()
		d.put(filepath.Join(d.path+".away", b.ID().String()+".pub"), b.AuthorizedKey(""))
		d.rename(d.path+".away", d.path)
		keytest.Second()
		d.wantAdmitted(b)
		d.wantUnknown(keytest.Recorded(t, "ed25519_passphrase"))
		d.wantProblems()
		d.wantLogged("can be read again", 1)
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by what came while the directory was away")
		}
	})
}

// TestReplacedDirectory puts another directory in the place of the first.
func TestReplacedDirectory(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
		d.put(d.file(a.ID()), a.AuthorizedKey(""))
		keytest.Second()
		d.rename(d.path, d.path+".old")
		if err := os.Mkdir(d.path, 0o700); err != nil {
			t.Fatal(err)
		}
		d.put(d.file(b.ID()), b.AuthorizedKey(""))
		keytest.Second()
		d.wantUnknown(a)
		d.wantAdmitted(b)
	})
}

// TestUnreadableFile makes single files unreadable: links that lead out.
func TestUnreadableFile(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
		outside := filepath.Join(filepath.Dir(d.path), "outside")
		d.put(outside, b.AuthorizedKey(""))
		d.put(d.file(a.ID()), a.AuthorizedKey(""))
		keytest.Second()
		link := func(k keys.PublicKey) {
			t.Helper()
			_ = os.Remove(d.file(k.ID()))
			if err := os.Symlink(outside, d.file(k.ID())); err != nil {
				t.Skipf("no links here: %v", err)
			}
		}
		link(a)
		link(b)
		keytest.Second()
		d.wantAdmitted(a) // as before
		d.wantUnavailable(b)
		d.wantUnknown(keytest.Recorded(t, "ed25519_passphrase"))
		if len(d.Problems()) != 2 {
			t.Errorf("problems: %v, want 2", d.Problems())
		}
	})
}

// TestLinkInside follows a link within the directory, as mounted configuration
// has them, to what it leads to now.
func TestLinkInside(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a := keytest.Recorded(t, "ed25519")
		d.put(filepath.Join(d.path, "data"), a.AuthorizedKey(""))
		if err := os.Symlink("data", d.file(a.ID())); err != nil {
			t.Skipf("no links here: %v", err)
		}
		keytest.Second()
		d.wantAdmitted(a)
		d.put(filepath.Join(d.path, "data"), "nothing")
		keytest.Second()
		d.wantUnknown(a)
	})
}

func TestAddRemove(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a := keytest.Recorded(t, "ed25519")
		changed := d.Changed()
		id, added, err := d.Add(a, "ada\nbyron")
		if err != nil || !added || id != a.ID() {
			t.Fatalf("Add = %v, %t, %v", id, added, err)
		}
		d.wantAdmitted(a) // at once
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by Add")
		}
		text, err := os.ReadFile(d.file(a.ID()))
		if want := a.AuthorizedKey("ada byron") + "\n"; err != nil || string(text) != want {
			t.Errorf("file = %q, %v; want %q", text, err, want)
		}

		if id, added, err := d.Add(a, "somebody else"); err != nil || added || id != a.ID() {
			t.Errorf("second Add = %v, %t, %v", id, added, err)
		}
		if again, err := os.ReadFile(d.file(a.ID())); err != nil || !bytes.Equal(again, text) {
			t.Errorf("the second Add changed the file: %q, %v", again, err)
		}

		changed = d.Changed()
		if err := d.Remove(a.ID()); err != nil {
			t.Fatal(err)
		}
		d.wantUnknown(a) // at once
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by Remove")
		}
		if err := d.Remove(a.ID()); !errors.Is(err, keys.ErrUnknown) {
			t.Errorf("second Remove: %v, want ErrUnknown", err)
		}
		if entries, err := os.ReadDir(d.path); err != nil || len(entries) != 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

func TestAddMends(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a := keytest.Recorded(t, "ed25519")
		d.put(d.file(a.ID()), "cut sho")
		if _, added, err := d.Add(a, ""); err != nil || !added {
			t.Errorf("Add over a broken file = %t, %v", added, err)
		}
		d.wantAdmitted(a)

		// Somebody removed it, and the keystore has not looked since.
		if err := os.Remove(d.file(a.ID())); err != nil {
			t.Fatal(err)
		}
		if _, added, err := d.Add(a, ""); err != nil || !added {
			t.Errorf("Add of what was removed = %t, %v", added, err)
		}
		if _, err := os.Stat(d.file(a.ID())); err != nil {
			t.Error(err)
		}
	})
}

func TestAddRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		if id, added, err := d.Add(keys.PublicKey{}, ""); err == nil || added || !id.IsZero() {
			t.Errorf("no key: %v, %t, %v", id, added, err)
		}
		if id, added, err := d.Add(keytest.Recorded(t, "ed25519"), strings.Repeat("x", keys.MaxFileSize)); err == nil || added || !id.IsZero() {
			t.Errorf("a comment too long: %v, %t, %v", id, added, err)
		}
		if entries, err := os.ReadDir(d.path); err != nil || len(entries) != 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

func TestAddAll(t *testing.T) {
	inBubble(t, func(t *testing.T, d fixture) {
		a, b, c := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048"), keytest.Recorded(t, "ed25519_passphrase")
		if _, _, err := d.Add(a, "first"); err != nil {
			t.Fatal(err)
		}
		changed := d.Changed()
		added, err := d.AddAll([]keys.PublicKey{a, b, c}, []string{"x", "bob", ""})
		if err != nil || !slices.Equal(added, []keys.NodeID{b.ID(), c.ID()}) {
			t.Errorf("AddAll = %v, %v; want the two that are new", added, err)
		}
		for _, k := range []keys.PublicKey{a, b, c} {
			d.wantAdmitted(k)
		}
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed")
		}
		if text, err := os.ReadFile(d.file(a.ID())); err != nil || string(text) != a.AuthorizedKey("first")+"\n" {
			t.Errorf("a file that was there is now %q, %v", text, err)
		}
		if text, err := os.ReadFile(d.file(b.ID())); err != nil || string(text) != b.AuthorizedKey("bob")+"\n" {
			t.Errorf("a new file is %q, %v", text, err)
		}
		if added, err := d.AddAll([]keys.PublicKey{a, {}}, []string{"", ""}); err == nil || added != nil {
			t.Errorf("AddAll of no key = %v, %v", added, err)
		}
		if added, err := d.AddAll([]keys.PublicKey{keytest.Recorded(t, "rsa3072_passphrase")}, []string{strings.Repeat("x", keys.MaxFileSize)}); err == nil || added != nil {
			t.Errorf("AddAll with a long comment = %v, %v", added, err)
		}
	})
}
