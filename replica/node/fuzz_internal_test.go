package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

// FuzzRequest gives the control socket any request of HTTP: the answer is lines of JSON,
// whose last says that it is whole or what went wrong, or a status of HTTP.
func FuzzRequest(f *testing.F) {
	n, err := Open(context.Background(), Options{Dir: filepath.Join(f.TempDir(), "data"), Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { n.Close() })
	h := newControl(n).handler()
	fuzztest.Seed(f, "socket-request", func(b []byte) error {
		_, w, err := answerTo(h, b)
		if err != nil {
			return err
		}
		return failed(w)
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r *http.Request
		var w *httptest.ResponseRecorder
		var err error
		call := func() { r, w, err = answerTo(h, b) }
		if short(b) {
			fuzztest.Alloc{PerByte: 64, Constant: 4 << 20}.Check(t, len(b), call)
		} else {
			call()
		}
		if err != nil {
			return
		}
		if err := checkAnswer(w); err != nil {
			t.Fatalf("%s: %v", r.URL, err)
		}
	})
}

// answerTo has h answer a request. What would follow live ends at once.
func answerTo(h http.Handler, b []byte) (*http.Request, *httptest.ResponseRecorder, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if follows(r) {
		cancel()
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	return r, w, nil
}

// follows reports whether a request is answered until its context ends. It leaves the body as
// it was.
func follows(r *http.Request) bool {
	var q request
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
	json.Unmarshal(body, &q)
	return strings.HasSuffix(r.URL.Path, opWatch) || q.Follow || q.Tail.Follow || models.Follows(q.Name)
}

// short reports whether the answer's size follows from the request alone, and not from
// what the node holds.
func short(b []byte) bool {
	start, _, _ := bytes.Cut(b, []byte("\n"))
	for _, op := range []string{opDump, opTail, opDo, opHistory, opExport, opProofs, opExtract} {
		if bytes.Contains(start, []byte(op)) {
			return false
		}
	}
	return true
}

// failed is what the answer says went wrong.
func failed(w *httptest.ResponseRecorder) error {
	if w.Code != http.StatusOK {
		return errors.New(w.Body.String())
	}
	return lastLine(w).Error.orNil()
}

func checkAnswer(w *httptest.ResponseRecorder) error {
	switch {
	case w.Code == http.StatusOK:
	case w.Code >= 300 && w.Code < 500:
		return nil
	default:
		return fmt.Errorf("status %d: %s", w.Code, w.Body)
	}
	for line := range bytes.Lines(w.Body.Bytes()) {
		if !json.Valid(line) {
			return fmt.Errorf("a line that is not JSON: %q", line)
		}
	}
	if last := lastLine(w); last.End == (last.Error != nil) {
		return fmt.Errorf("the last line is %+v", last)
	}
	return nil
}

func lastLine(w *httptest.ResponseRecorder) (last answered) {
	all := bytes.TrimSuffix(w.Body.Bytes(), []byte("\n"))
	json.Unmarshal(all[bytes.LastIndexByte(all, '\n')+1:], &last)
	return last
}
