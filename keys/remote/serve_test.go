package remote_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/keys/server"
)

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// answering is a transport that gives one body to every request for keys.
type answering struct{ list, keys []byte }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	body := a.keys
	if r.Method == http.MethodGet {
		body = a.list
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// FuzzAnswers gives the client any list and any keys: it admits nobody that the signer
// has not listed, and nobody under another key.
func FuzzAnswers(f *testing.F) {
	public := ed25519.NewKeyFromSeed(fuzztest.KeySeed(0)).Public().(ed25519.PublicKey)
	k, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, public))
	if err != nil {
		f.Fatal(err)
	}
	signed := sealed(f, adminKey, listOf(1, k))
	ask := func(t testing.TB, id keys.NodeID, list, body []byte) (keys.PublicKey, error) {
		s, err := remote.Open(remote.Config{URL: "http://x", Signer: adminID(t), Dir: t.TempDir(), Transport: answering{list, body}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return s.Lookup(t.Context(), id)
	}
	f.Add(sealed(f, thiefKey, listOf(1, k)), []byte(strings.Repeat(k.String()+"\n", 3)))
	fuzztest.Each(f, "key-server-answer", func(body []byte) error {
		_, err := ask(f, k.ID(), signed, body)
		return err
	}, func(body []byte) { f.Add(signed, body) })
	f.Fuzz(func(t *testing.T, list, body []byte) {
		for _, want := range []keys.PublicKey{k, keytest.Key(t, 2)} {
			var got keys.PublicKey
			var err error
			fuzztest.Alloc{PerByte: 256, Constant: 2 << 20}.Check(t, len(list)+len(body), func() {
				got, err = ask(t, want.ID(), list, body)
			})
			text, _, _ := roster.Split(list) // the armor behind it may be written in several ways
			switch {
			case err == nil && (got != want || text == nil || !bytes.HasPrefix(signed, text)):
				t.Fatalf("Lookup = %v", got)
			case err != nil && !got.IsZero(), errors.Is(err, keys.ErrUnknown) && want == k:
				t.Fatalf("Lookup = %v, %v", got, err)
			}
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	var all []keys.PublicKey
	for i := range 1000 {
		all = append(all, keytest.Key(b, i))
	}
	path := filepath.Join(b.TempDir(), "list")
	if err := os.WriteFile(path, sealed(b, adminKey, listOf(1, all...)), 0o600); err != nil {
		b.Fatal(err)
	}
	h := server.New(keys.NewMemory(all...), path, nil)
	defer h.Close()
	s, err := remote.Open(remote.Config{URL: serve(b, h), Signer: adminID(b), Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	perSecond := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lookups/s") }
	b.Run("cold", func(b *testing.B) { // a request for each: batches are the cache's
		for i := range b.N {
			s.TestOnlyForget(all[i%1000].ID())
			if _, err := s.Lookup(b.Context(), all[i%1000].ID()); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
	b.Run("cold/batches", func(b *testing.B) {
		ids := make([]keys.NodeID, 250)
		for n := 0; n < b.N; n += len(ids) {
			for i := range ids {
				ids[i] = all[(n+i)%1000].ID()
				s.TestOnlyForget(ids[i])
			}
			for _, got := range s.LookupAll(b.Context(), ids) {
				if got.Err != nil {
					b.Fatal(got.Err)
				}
			}
		}
		perSecond(b)
	})
	b.Run("warm", func(b *testing.B) {
		s.LookupAll(b.Context(), []keys.NodeID{all[0].ID()})
		for b.Loop() {
			if _, err := s.Lookup(b.Context(), all[0].ID()); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b)
	})
}
