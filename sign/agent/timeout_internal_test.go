package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/sign"
)

// TestSilenceEnds waits for an agent that takes the request and says nothing, or half of
// something.
func TestSilenceEnds(t *testing.T) {
	for name, answer := range map[string][]byte{"nothing": nil, "half a length": {0, 0}, "half an answer": {0, 0, 0, 9, 14}} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			defer theirs.Close()
			go func() {
				io.ReadFull(theirs, make([]byte, 5))
				theirs.Write(answer)
			}()
			start := time.Now()
			kind, body, err := ask(t.Context(), ours, []byte{msgSignRequest}, signTimeout)
			if took := time.Since(start); !errors.Is(err, sign.ErrUnavailable) || kind != 0 || body != nil || took != signTimeout {
				t.Errorf("%s: %d, %x, %v after %v; want ErrUnavailable after %v", name, kind, body, err, took, signTimeout)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := ask(ctx, ours, []byte{msgSignRequest}, signTimeout); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an agent that takes no request: %v; want the context's end", err)
		}
	})
}
