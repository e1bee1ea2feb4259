// Package keytest has what the tests of several keystores need.
package keytest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// Path returns that of a recorded file of testdata/keys.
func Path(name string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../testdata/keys", name)
}

// File returns the content of a recorded file.
func File(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Recorded returns the key of the recorded file name.pub.
func Recorded(t testing.TB, name string) keys.PublicKey {
	t.Helper()
	k, _, err := keys.ParseAuthorizedKey([]byte(File(t, name+".pub")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Signer is an ed25519 key that is made of a number.
type Signer struct {
	secret ed25519.PrivateKey
	public keys.PublicKey
}

// NewSigner makes the key of n, from 0.
func NewSigner(t testing.TB, n int) Signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(n)+1)
	secret := ed25519.NewKeyFromSeed(seed)
	k, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, secret.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return Signer{secret, k}
}

// Key returns the public half of NewSigner's.
func Key(t testing.TB, n int) keys.PublicKey {
	t.Helper()
	return NewSigner(t, n).public
}

// Public returns the public half.
func (s Signer) Public() keys.PublicKey { return s.public }

// ID returns the id.
func (s Signer) ID() keys.NodeID { return s.public.ID() }

// Sign returns an SSH signature blob.
func (s Signer) Sign(namespace string, msg []byte) []byte {
	return keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(s.secret, keys.SignedData(namespace, sha256.Sum256(msg))))
}

// Seal returns l as s signs it.
func (s Signer) Seal(t testing.TB, l *roster.List) []byte {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := roster.Seal(text, s.public, s.Sign(roster.Namespace, text))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// List admits ids from issued on, for an hour.
func List(version uint64, issued time.Time, ids ...keys.NodeID) *roster.List {
	l := &roster.List{Version: version, Issued: issued.Truncate(time.Second), Expires: issued.Truncate(time.Second).Add(time.Hour)}
	for _, id := range ids {
		l.Entries = append(l.Entries, roster.Entry{ID: id})
	}
	return l
}

// Put writes a file.
func Put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Second lets the second pass within which every change takes effect, in a bubble.
func Second() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// Closed reports whether c is closed.
func Closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// WantAdmitted wants ks to have k, at the times of ws if it knows of any.
func WantAdmitted(t testing.TB, ks keys.Keystore, k keys.PublicKey, ws ...keys.Window) {
	t.Helper()
	a, err := keys.LookupAdmission(context.Background(), ks, k.ID())
	if err != nil || a.Key != k || !a.Windows.Equal(ws) {
		t.Errorf("LookupAdmission = %v, %v; want the key, %v", a, err, keys.Windows(ws))
	}
	if got, err := ks.Lookup(context.Background(), k.ID()); err != nil || got != k {
		t.Errorf("Lookup = %v, %v; want the key", got, err)
	}
}

// WantUnknown wants ks not to admit k.
func WantUnknown(t testing.TB, ks keys.Keystore, k keys.PublicKey) {
	t.Helper()
	if got, err := ks.Lookup(context.Background(), k.ID()); !errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want ErrUnknown", got, err)
	}
}

// WantUnavailable wants an error that says all of says, and is not that k is unknown.
func WantUnavailable(t testing.TB, ks keys.Keystore, k keys.PublicKey, says ...string) {
	t.Helper()
	got, err := ks.Lookup(context.Background(), k.ID())
	if err == nil || errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want another error than ErrUnknown", got, err)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

// Says reports whether the text of err matches a regular expression.
func Says(err error, pattern string) bool {
	return err != nil && regexp.MustCompile(pattern).MatchString(err.Error())
}

// Log is a text that one goroutine writes while another reads it.
type Log struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
