package allowed_test

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

var (
	_ keys.Keystore = (*allowed.File)(nil)
	_ keys.Windowed = (*allowed.File)(nil)
	_ keys.Notifier = (*allowed.File)(nil)
	_ keys.Lister   = (*allowed.File)(nil)
	_ io.Closer     = (*allowed.File)(nil)
)

// fixture is an open keystore on a file of its own.
type fixture struct {
	*allowed.File
	t    *testing.T
	path string
	log  *keytest.Log
}

// inBubble opens a file that holds text, with the bubble's clock.
func inBubble(t *testing.T, text string, f func(d fixture)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allowed_signers")
	keytest.Put(t, path, text)
	synctest.Test(t, func(t *testing.T) {
		log := new(keytest.Log)
		file, err := allowed.Open(path, allowed.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		f(fixture{file, t, path, log})
	})
}
