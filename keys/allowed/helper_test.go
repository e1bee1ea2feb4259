package allowed_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
)

var (
	_ keys.Keystore = (*allowed.File)(nil)
	_ keys.Windowed = (*allowed.File)(nil)
	_ keys.Notifier = (*allowed.File)(nil)
	_ keys.Lister   = (*allowed.File)(nil)
	_ io.Closer     = (*allowed.File)(nil)
)

const shared = "../../testdata/keys"

func recorded(t testing.TB, name string) keys.PublicKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	k, _, err := keys.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fixture is an open keystore on a file of its own.
type fixture struct {
	*allowed.File
	t    *testing.T
	path string
	log  *logText
}

// inBubble opens a file that holds text, with the bubble's clock.
func inBubble(t *testing.T, text string, f func(d fixture)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allowed_signers")
	put(t, path, text)
	synctest.Test(t, func(t *testing.T) {
		log := new(logText)
		file, err := allowed.Open(path, allowed.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		f(fixture{file, t, path, log})
	})
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// second lets the second pass within which every change takes effect.
func second() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func wantAdmitted(t *testing.T, f *allowed.File, k keys.PublicKey, ws ...keys.Window) {
	t.Helper()
	a, err := f.LookupAdmission(t.Context(), k.ID())
	if err != nil || a.Key != k || !a.Windows.Equal(ws) {
		t.Errorf("LookupAdmission = %v, %v; want the key, %v", a, err, keys.Windows(ws))
	}
	if got, err := f.Lookup(t.Context(), k.ID()); err != nil || got != k {
		t.Errorf("Lookup = %v, %v; want the key", got, err)
	}
}

func wantUnknown(t *testing.T, f *allowed.File, k keys.PublicKey) {
	t.Helper()
	if got, err := f.Lookup(t.Context(), k.ID()); !errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want ErrUnknown", got, err)
	}
}

func wantUnavailable(t *testing.T, f *allowed.File, k keys.PublicKey) {
	t.Helper()
	if got, err := f.Lookup(t.Context(), k.ID()); err == nil || errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup = %v, %v; want another error than ErrUnknown", got, err)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// logText is written by one goroutine while another reads it.
type logText struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
