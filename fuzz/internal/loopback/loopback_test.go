package loopback_test

import (
	"errors"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/internal/loopback"
)

func TestLoopback(t *testing.T) {
	for _, address := range []string{"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"} {
		if err := errors.Join(loopback.Check(t.Context(), address), loopback.Control("tcp", address, nil)); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "[::ffff:0.0.0.0]:1", "[fe80::1%1]:1"} {
		if err := loopback.Check(t.Context(), address); !errors.Is(err, loopback.Err) {
			t.Errorf("%s: %v", address, err)
		}
		if err := loopback.Control("tcp", address, nil); !errors.Is(err, loopback.Err) {
			t.Errorf("%s: dialed, %v", address, err)
		}
	}
	if err := loopback.Check(t.Context(), ":1"); !errors.Is(err, loopback.Err) {
		t.Errorf("every address: %v", err)
	}
	if err := loopback.Check(t.Context(), "127.0.0.1"); err == nil {
		t.Error("no port is needed")
	}
	if err := loopback.Control("tcp", "localhost:1", nil); err == nil {
		t.Error("a name is dialed that nobody has looked up")
	}
}
