package keys_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

var (
	_ keys.Keystore = (*keys.Memory)(nil)
	_ keys.Notifier = (*keys.Memory)(nil)
	_ keys.Lister   = (*keys.Memory)(nil)
)

func TestMemory(t *testing.T) {
	a, b := recorded(t, "ed25519"), recorded(t, "rsa2048")
	m := keys.NewMemory(a)
	if got, err := m.Lookup(t.Context(), a.ID()); err != nil || got != a {
		t.Errorf("Lookup of an admitted id = %v, %v", got, err)
	}
	if got, err := m.Lookup(t.Context(), b.ID()); !errors.Is(err, keys.ErrUnknown) || !got.IsZero() {
		t.Errorf("Lookup of another id = %v, %v; want ErrUnknown", got, err)
	}
	changed, sameWait := m.Changed(), m.Changed()
	if changed != sameWait || closed(changed) {
		t.Error("Changed before a change: another channel, or a closed one")
	}
	m.Add(b)
	if !closed(changed) || !closed(sameWait) {
		t.Error("Changed is not closed by Add")
	}
	ids, err := m.List(t.Context())
	if err != nil || len(ids) != 2 || !slices.Contains(ids, a.ID()) || !slices.Contains(ids, b.ID()) {
		t.Errorf("List = %v, %v", ids, err)
	}
	changed = m.Changed()
	m.Remove(a.ID())
	if !closed(changed) {
		t.Error("Changed is not closed by Remove")
	}
	if _, err := m.Lookup(t.Context(), a.ID()); !errors.Is(err, keys.ErrUnknown) {
		t.Errorf("Lookup of a withdrawn id: %v, want ErrUnknown", err)
	}
}

func TestMemoryZeroValue(t *testing.T) {
	var m keys.Memory
	if _, err := m.Lookup(t.Context(), recorded(t, "ed25519").ID()); !errors.Is(err, keys.ErrUnknown) {
		t.Errorf("Lookup in the zero Memory: %v, want ErrUnknown", err)
	}
	m.Remove(recorded(t, "ed25519").ID())
	m.Add(recorded(t, "ed25519"))
	if _, err := m.Lookup(t.Context(), recorded(t, "ed25519").ID()); err != nil {
		t.Errorf("Lookup after Add: %v", err)
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
