package roster_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/roster"
)

var issued = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sample(t testing.TB) *roster.List {
	return &roster.List{Version: 7, Issued: issued, Expires: issued.Add(7 * 24 * time.Hour), Entries: []roster.Entry{
		{ID: keytest.Key(t, 2).ID()},
		{ID: keytest.Key(t, 1).ID(), Windows: keys.Windows{{After: issued}, {After: issued, Before: issued.Add(time.Second)}, {Before: issued}}},
	}}
}

func TestTextRoundTrip(t *testing.T) {
	text, err := sample(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	first, second := keytest.Key(t, 1).ID().String()+" 20260102030405Z/ 20260102030405Z/20260102030406Z /20260102030405Z", keytest.Key(t, 2).ID().String()
	if second < first {
		first, second = second, first
	}
	want := "hearsay-keys 1\nversion 7\nissued 20260102030405Z\nexpires 20260109030405Z\nids 2\n" + first + "\n" + second + "\n"
	if string(text) != want {
		t.Errorf("the text is\n%swant\n%s", text, want)
	}
	l, err := roster.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.Text(); err != nil || !bytes.Equal(again, text) {
		t.Errorf("it reads back as %q, %v", again, err)
	}
	empty := &roster.List{Version: 1, Issued: issued, Expires: issued.Add(time.Second)}
	text, err = empty.Text()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := roster.Parse(text); err != nil || len(l.Entries) != 0 {
		t.Errorf("a list of nobody reads back as %v, %v", l, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := sample(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(good), "\n"), "\n")
	a, b := keytest.Key(t, 1).ID().String(), keytest.Key(t, 2).ID().String()
	replace := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for name, text := range map[string]string{
		"empty":               "",
		"another first line":  replace("hearsay-keys 1", "hearsay-keys 2"),
		"no last newline":     strings.TrimSuffix(string(good), "\n"),
		"CRLF":                strings.ReplaceAll(string(good), "\n", "\r\n"),
		"trailing bytes":      string(good) + "\n",
		"version 0":           replace("version 7", "version 0"),
		"version +7":          replace("version 7", "version +7"),
		"version 07":          replace("version 7", "version 07"),
		"version 2^63":        replace("version 7", "version 9223372036854775808"),
		"version 2^64":        replace("version 7", "version 18446744073709551616"),
		"no version":          strings.Join(append(lines[:1:1], lines[2:]...), ""),
		"expires first":       replace("expires 20260109", "expires 20250109"),
		"expires never":       replace("expires 20260109", "expires 20290109"),
		"a time without Z":    replace("issued 20260102030405Z", "issued 20260102030405"),
		"a time with an hour": replace("issued 20260102030405Z", "issued 2026010203Z"),
		"a leap second":       replace("issued 20260102030405Z", "issued 20260102030460Z"),
		"too few":             replace("ids 2", "ids 3"),
		"too many":            replace("ids 2", "ids 1"),
		"ids 02":              replace("ids 2", "ids 02"),
		"a million":           replace("ids 2", "ids 1000000"),
		"another order":       strings.Join(append(lines[:5:5], strings.TrimSuffix(lines[6], "\n")+"\n", lines[5]), ""),
		"twice":               replace(a, b),
		"fingerprint":         replace(b, keytest.Key(t, 2).ID().Fingerprint()),
		"no id":               replace(b, "Qm"),
		"two blanks":          replace(b, b+" "),
		"window without ends": replace(b, b+" /"),
		"window backwards":    replace(b, b+" 20260102030405Z/20260101030405Z"),
		"window of a moment":  replace(b, b+" 20260102030405Z/20260102030405Z"),
		"window without /":    replace(b, b+" 20260102030405Z"),
		"nine windows":        replace(b, b+strings.Repeat(" 20260102030405Z/", 9)),
	} {
		if l, err := roster.Parse([]byte(text)); !errors.Is(err, roster.ErrMalformed) || l != nil {
			t.Errorf("%s: %v, %v; want ErrMalformed", name, l, err)
		}
	}
}

func TestTextRefuses(t *testing.T) {
	id := keytest.Key(t, 1).ID()
	for name, change := range map[string]func(*roster.List){
		"version 0":        func(l *roster.List) { l.Version = 0 },
		"version 2^63":     func(l *roster.List) { l.Version = 1 << 63 },
		"no times":         func(l *roster.List) { l.Issued, l.Expires = time.Time{}, time.Time{} },
		"nanoseconds":      func(l *roster.List) { l.Issued = l.Issued.Add(1) },
		"expires first":    func(l *roster.List) { l.Expires = l.Issued },
		"expires too late": func(l *roster.List) { l.Expires = l.Issued.Add(roster.MaxLife + time.Second) },
		"year 10000": func(l *roster.List) {
			l.Expires = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
			l.Issued = l.Expires.Add(-1e9)
		},
		"twice": func(l *roster.List) {
			l.Entries = []roster.Entry{{ID: id}, {ID: id, Windows: keys.Windows{{After: issued}}}}
		},
		"no id":             func(l *roster.List) { l.Entries = []roster.Entry{{}} },
		"an open window":    func(l *roster.List) { l.Entries[0].Windows = keys.Windows{{}} },
		"nanosecond window": func(l *roster.List) { l.Entries[0].Windows = keys.Windows{{After: issued.Add(1)}} },
		"too many windows":  func(l *roster.List) { l.Entries[0].Windows = make(keys.Windows, roster.MaxWindows+1) },
		"too many ids":      func(l *roster.List) { l.Entries = make([]roster.Entry, roster.MaxIDs+1) },
	} {
		l := sample(t)
		change(l)
		if text, err := l.Text(); !errors.Is(err, roster.ErrMalformed) || text != nil {
			t.Errorf("%s: %q, %v; want ErrMalformed", name, text, err)
		}
	}
}

func TestSignedRoundTrip(t *testing.T) {
	admin := keytest.NewSigner(t, 9)
	signed := admin.Seal(t, sample(t))
	l, err := roster.Open(signed, admin.Public().ID())
	if err != nil || l.Version != 7 || len(l.Entries) != 2 {
		t.Fatalf("Open = %+v, %v", l, err)
	}
	text, by, err := roster.Split(signed)
	if want, _ := sample(t).Text(); err != nil || by != admin.Public() || !bytes.Equal(text, want) {
		t.Errorf("Split = %q, %v, %v", text, by, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	admin, thief := keytest.NewSigner(t, 9), keytest.NewSigner(t, 8)
	signed := admin.Seal(t, sample(t))
	text, err := sample(t).Text()
	if err != nil {
		t.Fatal(err)
	}
	under := func(namespace string) []byte {
		return append(bytes.Clone(text), keys.ArmorSignature(admin.Public(), namespace, admin.Sign(namespace, text))...)
	}
	for _, tt := range []struct {
		name   string
		signed []byte
		want   error
	}{
		{"another signer", thief.Seal(t, sample(t)), roster.ErrSigner},
		{"the signer's name on another's signature", append(bytes.Clone(text), keys.ArmorSignature(admin.Public(), roster.Namespace, thief.Sign(roster.Namespace, text))...), roster.ErrSigner},
		{"an update's namespace", under("hearsay-update"), roster.ErrSigner},
		{"a bundle's namespace", under("hearsay-bundle"), roster.ErrSigner},
		{"another version", bytes.Replace(signed, []byte("version 7"), []byte("version 8"), 1), roster.ErrSigner},
		{"no signature", text, roster.ErrMalformed},
		{"nothing", nil, roster.ErrMalformed},
		{"cut short", signed[:len(signed)-40], roster.ErrMalformed},
		{"something behind", append(bytes.Clone(signed), "x"...), roster.ErrMalformed},
		{"two signatures", append(bytes.Clone(signed), signed[len(text):]...), roster.ErrSigner},
		{"10 MiB", append(bytes.Repeat([]byte("x"), 10<<20), signed...), roster.ErrMalformed},
		{"a signed text that is no list", append([]byte("hello\n"), keys.ArmorSignature(admin.Public(), roster.Namespace, admin.Sign(roster.Namespace, []byte("hello\n")))...), roster.ErrMalformed},
	} {
		if l, err := roster.Open(tt.signed, admin.Public().ID()); !errors.Is(err, tt.want) || l != nil {
			t.Errorf("%s: %v, %v; want %v", tt.name, l, err, tt.want)
		}
	}
	if _, err := roster.Seal(text, admin.Public(), thief.Sign(roster.Namespace, text)); err == nil {
		t.Error("Seal takes a signature of another key")
	}
	if _, err := roster.Seal([]byte("hello\n"), admin.Public(), admin.Sign(roster.Namespace, []byte("hello\n"))); err == nil {
		t.Error("Seal takes a text that is no list")
	}
}

// TestLargest has as many ids as there may be, with a window each.
func TestLargest(t *testing.T) {
	l := sample(t)
	l.Entries = make([]roster.Entry, roster.MaxIDs)
	for i := range l.Entries {
		sum := sha256.Sum256(fmt.Append(nil, i))
		l.Entries[i] = roster.Entry{ID: keys.NodeID(append([]byte{0x12, 0x20}, sum[:]...)), Windows: keys.Windows{{After: issued, Before: issued.Add(time.Hour)}}}
	}
	admin := keytest.NewSigner(t, 9)
	got, err := roster.Open(admin.Seal(t, l), admin.Public().ID())
	if err != nil || len(got.Entries) != roster.MaxIDs {
		t.Errorf("the largest list: %v", err)
	}
}

// TestSSHKeygenVerifies checks a list with the stock tool, parted as the package says.
func TestSSHKeygenVerifies(t *testing.T) {
	sshKeygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: it does not check a list")
	}
	admin, dir := keytest.NewSigner(t, 9), t.TempDir()
	text, _, err := roster.Split(admin.Seal(t, sample(t)))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"signers": []byte("admin " + admin.Public().String() + "\n"),
		"sig":     keys.ArmorSignature(admin.Public(), roster.Namespace, admin.Sign(roster.Namespace, text)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(sshKeygen, "-Y", "verify", "-f", filepath.Join(dir, "signers"), "-I", "admin", "-n", roster.Namespace, "-s", filepath.Join(dir, "sig"))
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen -Y verify: %v\n%s", err, out)
	}
}

func FuzzParse(f *testing.F) {
	fuzztest.Decoder[*roster.List]{
		Corpus: "key-list", Decode: roster.Parse, Errors: []error{roster.ErrMalformed},
		Encode: (*roster.List).Text, Alloc: listAlloc,
	}.Fuzz(f)
}

// listAlloc: an entry of 47 bytes has its id, its text and its place in slices that grow.
var listAlloc = fuzztest.Alloc{PerByte: 64, Constant: 128 << 10}

func FuzzOpen(f *testing.F) {
	public := ed25519.NewKeyFromSeed(fuzztest.KeySeed(9)).Public().(ed25519.PublicKey)
	admin, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, public))
	if err != nil {
		f.Fatal(err)
	}
	fuzztest.Decoder[*roster.List]{
		Corpus: "signed-key-list", Errors: []error{roster.ErrMalformed, roster.ErrSigner}, Alloc: listAlloc,
		Decode: func(b []byte) (*roster.List, error) { return roster.Open(b, admin.ID()) },
		Check: func(t *testing.T, b []byte, l *roster.List) {
			if text, err := l.Text(); err != nil || !bytes.HasPrefix(b, text) || l.Version != 7 || len(l.Entries) != 2 {
				t.Fatalf("a list that the signer has not signed: %q, %v", b, err)
			}
		},
	}.Fuzz(f)
}

func BenchmarkOpen(b *testing.B) {
	l := sample(b)
	l.Entries = make([]roster.Entry, 10_000)
	for i := range l.Entries {
		sum := sha256.Sum256(fmt.Append(nil, i))
		l.Entries[i].ID = keys.NodeID(append([]byte{0x12, 0x20}, sum[:]...))
	}
	admin := keytest.NewSigner(b, 9)
	signed := admin.Seal(b, l)
	for b.Loop() {
		if _, err := roster.Open(signed, admin.Public().ID()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/10000-ids")
}
