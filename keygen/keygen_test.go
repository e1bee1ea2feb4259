package keygen_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

const (
	shared     = "../testdata/keys"
	passphrase = "correct horse"
)

func answer(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func recorded(t *testing.T, name string) *sign.PrivateKey {
	t.Helper()
	k, _, err := keygen.ReadFile(filepath.Join(shared, name), answer(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGenerate(t *testing.T) {
	for _, tt := range []struct {
		kind, want string
		bits, got  int
	}{
		{"ed25519", keys.TypeEd25519, 0, 256},
		{"ed25519", keys.TypeEd25519, 256, 256},
		{"rsa", keys.TypeRSA, 2048, 2048},
	} {
		k, err := keygen.Generate(tt.kind, tt.bits)
		if err != nil {
			t.Errorf("Generate(%s, %d): %v", tt.kind, tt.bits, err)
			continue
		}
		if p := k.Public(); p.Type() != tt.want || p.Bits() != tt.got {
			t.Errorf("Generate(%s, %d) = %s of %d bits", tt.kind, tt.bits, p.Type(), p.Bits())
		}
		sig, err := k.Sign(t.Context(), "hearsay-update", []byte("x"))
		if err != nil || k.Public().Verify("hearsay-update", []byte("x"), sig) != nil {
			t.Errorf("Generate(%s, %d) signs badly: %v", tt.kind, tt.bits, err)
		}
	}
	a, errA := keygen.Generate(keygen.Ed25519, 0)
	b, errB := keygen.Generate(keygen.Ed25519, 0)
	if errA != nil || errB != nil || a.Public() == b.Public() {
		t.Errorf("two keys are one: %v, %v", errA, errB)
	}
}

func TestGenerateRefuses(t *testing.T) {
	for _, tt := range []struct {
		kind string
		bits int
	}{
		{"", 0}, {"ecdsa", 0}, {"dsa", 1024}, {"RSA", 0}, {"ed25519", 255}, {"ed25519", 2048}, {"ed25519", -1},
		{"rsa", -1}, {"rsa", 1024}, {"rsa", 2047}, {"rsa", 4097}, {"rsa", 1 << 30},
	} {
		if k, err := keygen.Generate(tt.kind, tt.bits); err == nil || k != nil {
			t.Errorf("Generate(%q, %d) = %v, %v; want an error", tt.kind, tt.bits, k, err)
		}
	}
	if keygen.DefaultRSABits != 3072 {
		t.Errorf("RSA keys have %d bits by default", keygen.DefaultRSABits)
	}
}

func TestWriteFiles(t *testing.T) {
	tool, toolErr := exec.LookPath("ssh-keygen")
	for name, passes := range map[string][]string{"ed25519": {"", "another horse"}, "rsa2048": {""}} {
		for _, pass := range passes { // bcrypt is slow: one of each
			k := recorded(t, name)
			path := filepath.Join(t.TempDir(), "id")
			if err := keygen.WriteFiles(path, k, "ada@example", []byte(pass)); err != nil {
				t.Fatal(err)
			}
			wantMode(t, path, 0o600)
			if names := list(t, filepath.Dir(path)); names != "id id.pub" {
				t.Errorf("files: %s", names)
			}
			back, warning, err := keygen.ReadFile(path, answer(pass))
			if err != nil || warning != "" || back.Public() != k.Public() {
				t.Errorf("%s: reads back as %v, %q, %v", name, back, warning, err)
			}
			if got, want := string(read(t, path+".pub")), k.Public().AuthorizedKey("ada@example")+"\n"; got != want {
				t.Errorf("%s: .pub = %q, want %q", name, got, want)
			}
			if toolErr != nil {
				t.Log("no ssh-keygen here")
				continue
			}
			out, err := exec.CommandContext(t.Context(), tool, "-y", "-P", pass, "-f", path).CombinedOutput()
			if err != nil || !bytes.Equal(out, read(t, path+".pub")) {
				t.Errorf("%s: ssh-keygen -y says %q, %v", name, out, err)
			}
		}
	}
}

func TestWriteFilesNeverOverwrites(t *testing.T) {
	k := recorded(t, "ed25519")
	for _, there := range []string{"id", "id.pub"} {
		for how, make := range map[string]func(path string) error{
			"file":          func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) },
			"empty file":    func(p string) error { return os.WriteFile(p, nil, 0o600) },
			"directory":     func(p string) error { return os.Mkdir(p, 0o700) },
			"dangling link": func(p string) error { return os.Symlink("nowhere", p) },
		} {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, there)); err != nil {
				t.Logf("cannot make a %s here: %v", how, err)
				continue
			}
			err := keygen.WriteFiles(filepath.Join(dir, "id"), k, "", nil)
			if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), filepath.Join(dir, there)) {
				t.Errorf("%s is a %s: %v; want ErrExist that names it", there, how, err)
			}
			if names := list(t, dir); names != there {
				t.Errorf("%s is a %s: files afterwards: %s", there, how, names)
			}
			if how == "file" && string(read(t, filepath.Join(dir, there))) != "precious" {
				t.Errorf("%s was overwritten", there)
			}
		}
	}
}

func TestWriteFilesRefuses(t *testing.T) {
	k := recorded(t, "ed25519")
	dir := t.TempDir()
	path := filepath.Join(dir, "id")
	for name, err := range map[string]error{
		"no name":             keygen.WriteFiles("", k, "", nil),
		"a directory's name":  keygen.WriteFiles(dir+string(filepath.Separator), k, "", nil),
		"no such directory":   keygen.WriteFiles(filepath.Join(dir, "none", "id"), k, "", nil),
		"no key":              keygen.WriteFiles(path, nil, "", nil),
		"the zero key":        keygen.WriteFiles(path, &sign.PrivateKey{}, "", nil),
		"two lines":           keygen.WriteFiles(path, k, "ada\nssh-rsa AAAA", nil),
		"a comment too long":  keygen.WriteFiles(path, k, strings.Repeat("x", 1<<20), nil),
		"a name too long":     keygen.WriteFiles(filepath.Join(dir, strings.Repeat("x", 5000)), k, "", nil),
		"only .pub too long":  keygen.WriteFiles(filepath.Join(dir, strings.Repeat("x", 253)), k, "", nil),
		"below a plain file":  keygen.WriteFiles(filepath.Join(shared, "README.md", "id"), k, "", nil),
		"the name of the dir": keygen.WriteFiles(filepath.Join(dir, "x", "..", ".."), k, "", nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if names := list(t, dir); names != "" {
		t.Errorf("files left behind: %s", names)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id")
	write(t, path, read(t, filepath.Join(shared, "ed25519")))
	for mode, warns := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true, 0o620: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		k, warning, err := keygen.ReadFile(path, nil)
		if err != nil || k == nil {
			t.Fatalf("mode %o: %v", mode, err)
		}
		if runtime.GOOS == "windows" {
			warns = false
		}
		if (warning != "") != warns {
			t.Errorf("mode %o: warning %q", mode, warning)
		}
		if warns && !strings.Contains(warning, "chmod 600 "+path) {
			t.Errorf("mode %o: the warning does not say what to do: %q", mode, warning)
		}
	}
}

func TestReadFileErrors(t *testing.T) {
	dir := t.TempDir()
	cut := filepath.Join(dir, "cut")
	write(t, cut, read(t, filepath.Join(shared, "ed25519"))[:200])
	large := filepath.Join(dir, "large")
	write(t, large, make([]byte, 1<<20))
	in := func(name string) string { return filepath.Join(shared, name) }
	for _, tt := range []struct {
		path string
		ask  func() ([]byte, error)
		want error
		says string
	}{
		{filepath.Join(dir, "none"), nil, fs.ErrNotExist, "make a key"},
		{dir, nil, nil, "directory"},
		{cut, nil, sign.ErrMalformed, "cut short"},
		{large, nil, sign.ErrMalformed, "larger"},
		{in("ed25519.pub"), nil, sign.ErrMalformed, "without .pub"},
		{in("ed25519_passphrase"), nil, sign.ErrPassphraseNeeded, "passphrase"},
		{in("ed25519_passphrase"), answer("x"), sign.ErrWrongPassphrase, "try again"},
		{in("rsa1024"), nil, keys.ErrNotAdmitted, "2048"},
		{in("ecdsa"), nil, keys.ErrNotAdmitted, "ed25519"},
	} {
		k, warning, err := keygen.ReadFile(tt.path, tt.ask)
		if err == nil || k != nil || warning != "" {
			t.Errorf("%s: %v, %q, %v; want an error only", tt.path, k, warning, err)
			continue
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.path, err, tt.want)
		}
		if !strings.Contains(err.Error(), tt.says) || strings.Count(err.Error(), tt.path) != 1 {
			t.Errorf("%s: %q does not name the path once and say %q", tt.path, err, tt.says)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
	}
}

// list returns the names in dir, sorted, one blank between two.
func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
