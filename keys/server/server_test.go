package server_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bufio"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
	"github.com/hearsaynet/hearsay/keys/server"
)

func signedList(t testing.TB, version uint64, ids ...keys.NodeID) []byte {
	t.Helper()
	return keytest.NewSigner(t, 99).Seal(t, keytest.List(version, time.Unix(1e9, 0), ids...))
}

func do(s http.Handler, method, target, body string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func want(t *testing.T, resp *http.Response, status int, body string) {
	t.Helper()
	got, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status || body != "" && string(got) != body {
		t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, status, body)
	}
}

// broken is a keystore that cannot answer.
type broken struct{}

func (broken) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) {
	return keys.PublicKey{}, errors.New("disk on fire")
}

func TestServesKeys(t *testing.T) {
	a := keytest.Key(t, 1)
	b := keytest.Key(t, 2)
	c := keytest.Key(t, 3)
	s := server.New(keys.NewMemory(a, b), filepath.Join(t.TempDir(), "list"), nil)
	defer s.Close()
	want(t, do(s, "GET", "/v1/keys/"+a.ID().String(), ""), 200, a.String()+"\n")
	want(t, do(s, "HEAD", "/v1/keys/"+a.ID().String(), ""), 200, "")
	want(t, do(s, "GET", "/v1/keys/"+c.ID().String(), ""), 404, "")
	want(t, do(s, "GET", "/v1/keys/Qm", ""), 400, "")
	want(t, do(s, "GET", "/v1/keys/"+a.ID().String()+"x", ""), 400, "")
	want(t, do(s, "DELETE", "/v1/keys/"+a.ID().String(), ""), 405, "")
	resp := do(s, "GET", "/v1/keys/"+a.ID().String(), "")
	want(t, do(s, "GET", "/v1/keys/"+a.ID().String(), "", "If-None-Match", resp.Header.Get("ETag")), 304, "")

	ids := b.ID().String() + "\n" + c.ID().String() + "\n" + a.ID().String() + "\n"
	want(t, do(s, "POST", "/v1/keys", ids), 200, b.String()+"\n"+a.String()+"\n")
	want(t, do(s, "POST", "/v1/keys", ""), 200, "")
	want(t, do(s, "POST", "/v1/keys", "Qm\n"), 400, "")
	want(t, do(s, "POST", "/v1/keys", strings.Repeat(a.ID().String()+"\n", 256)), 200, strings.Repeat(a.String()+"\n", 256))
	want(t, do(s, "POST", "/v1/keys", strings.Repeat(a.ID().String()+"\n", 257)), 400, "")
	want(t, do(s, "POST", "/v1/keys", strings.Repeat("x", 10<<20)), 400, "")

	down := server.New(broken{}, filepath.Join(t.TempDir(), "list"), nil)
	defer down.Close()
	resp = do(down, "GET", "/v1/keys/"+a.ID().String(), "")
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || strings.Contains(string(body), "fire") {
		t.Errorf("got %d %q, want 503 and no word of the reason", resp.StatusCode, body)
	}
}

func TestServesTheListAndFollowsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	a := keytest.Key(t, 1)
	five, six, four := signedList(t, 5, a.ID()), signedList(t, 6), signedList(t, 4)
	synctest.Test(t, func(t *testing.T) {
		log := new(keytest.Log)
		s := server.New(keys.NewMemory(), path, slog.New(slog.NewTextHandler(log, nil)))
		defer s.Close()
		want(t, do(s, "GET", "/v1/list", ""), 404, "")
		keytest.Put(t, path, string(five))
		keytest.Second()
		resp := do(s, "GET", "/v1/list", "")
		etag := resp.Header.Get("ETag")
		want(t, resp, 200, string(five))
		want(t, do(s, "GET", "/v1/list", "", "If-None-Match", etag), 304, "")
		keytest.Put(t, path, string(six))
		keytest.Second()
		want(t, do(s, "GET", "/v1/list", "", "If-None-Match", etag), 200, string(six))
		for _, bad := range [][]byte{four, []byte("garbage"), bytes.Replace(five, []byte("version 5"), []byte("version 9"), 1), nil, six[:len(six)-50]} {
			keytest.Put(t, path, string(bad))
			keytest.Second()
			want(t, do(s, "GET", "/v1/list", ""), 200, string(six))
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		keytest.Second()
		keytest.Second()
		want(t, do(s, "GET", "/v1/list", ""), 200, string(six))
		if n := strings.Count(log.String(), "no new list"); n != 7 {
			t.Errorf("%d complaints, want one for each of 5 bad files, and when there is none before and after:\n%s", n, log)
		}
	})
}

func TestServeStopsAndBoundsConnections(t *testing.T) {
	a := keytest.Key(t, 1)
	s := server.New(keys.NewMemory(a), filepath.Join(t.TempDir(), "list"), nil)
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l, s, nil) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/v1/keys/" + a.ID().String())
	if err != nil {
		t.Fatal(err)
	}
	want(t, resp, 200, a.String()+"\n")
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/list HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	answer, _ := io.ReadAll(conn)
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 431 ")) {
		t.Errorf("64 KiB of headers are answered with %q", answer)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it listens after it has ended")
	}
}

// FuzzRequests gives the server any request of HTTP. Its answer is not larger than 256
// keys, and what it allocates is bounded by that and by what came.
func FuzzRequests(f *testing.F) {
	public := ed25519.NewKeyFromSeed(fuzztest.KeySeed(0)).Public().(ed25519.PublicKey)
	k, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, public))
	if err != nil {
		f.Fatal(err)
	}
	s := server.New(keys.NewMemory(k), filepath.Join(f.TempDir(), "list"), nil)
	f.Cleanup(func() { s.Close() })
	answer := func(b []byte) (*httptest.ResponseRecorder, error) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return nil, err
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w, nil
	}
	fuzztest.Seed(f, "key-server-request", func(b []byte) error {
		w, err := answer(b)
		if err == nil && w.Code != http.StatusOK {
			err = errors.New(w.Body.String())
		}
		return err
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var w *httptest.ResponseRecorder
		fuzztest.Alloc{PerByte: 64, Constant: 1 << 20}.Check(t, len(b), func() { w, _ = answer(b) })
		if w != nil && (w.Body.Len() > 256*768 || w.Code == http.StatusInternalServerError) {
			t.Fatalf("%d: an answer of %d bytes to a request of %d", w.Code, w.Body.Len(), len(b))
		}
	})
}
