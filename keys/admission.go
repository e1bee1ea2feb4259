package keys

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Admission is what a keystore says of an admitted id.
type Admission struct {
	Key     PublicKey
	Windows Windows
}

// Window bounds the signed times that an author is admitted for, to the second and
// both ends included, as ssh-keygen(1) has it. A zero end is open.
type Window struct {
	After, Before time.Time
}

// Admits reports whether a signed time, ns since the Unix epoch, lies within w.
func (w Window) Admits(ns uint64) bool {
	second := int64(ns / uint64(time.Second))
	return (w.After.IsZero() || second >= w.After.Unix()) && (w.Before.IsZero() || second <= w.Before.Unix())
}

func (w Window) String() string {
	from, to := "", ""
	if !w.After.IsZero() {
		from = "from " + w.After.UTC().Format(time.RFC3339)
	}
	if !w.Before.IsZero() {
		to = "until " + w.Before.UTC().Format(time.RFC3339)
	}
	if from == "" && to == "" {
		return "at any time"
	}
	return strings.TrimSpace(from + " " + to)
}

// Windows are the windows of one id, each of which admits. None at all is any time.
type Windows []Window

// Admit reports whether a signed time, ns since the Unix epoch, lies within one of them.
func (ws Windows) Admit(ns uint64) bool {
	return len(ws) == 0 || slices.ContainsFunc(ws, func(w Window) bool { return w.Admits(ns) })
}

// Join returns what admits whenever ws or more does.
func (ws Windows) Join(more Windows) Windows {
	if len(ws) == 0 || len(more) == 0 {
		return nil
	}
	joined := slices.Clone(ws)
	for _, w := range more {
		if w == (Window{}) {
			return nil
		}
		if !slices.Contains(joined, w) {
			joined = append(joined, w)
		}
	}
	return joined
}

// Equal reports whether both are the same windows in the same order.
func (ws Windows) Equal(o Windows) bool {
	return slices.EqualFunc(ws, o, func(a, b Window) bool { return a.After.Equal(b.After) && a.Before.Equal(b.Before) })
}

func (ws Windows) String() string {
	if len(ws) == 0 {
		return Window{}.String()
	}
	texts := make([]string, len(ws))
	for i, w := range ws {
		texts[i] = w.String()
	}
	return strings.Join(texts, ", or ")
}

// Windowed is a Keystore that admits ids for some times only. Its Lookup answers for
// an id that is admitted at any time at all.
type Windowed interface {
	// LookupAdmission is Keystore.Lookup with the times that the id is admitted for. Of
	// an author exactly the updates before its first one that is signed outside them
	// count. No wall clock is asked.
	LookupAdmission(ctx context.Context, id NodeID) (Admission, error)
}

// LookupAdmission asks ks for id and its windows, if ks knows of any.
func LookupAdmission(ctx context.Context, ks Keystore, id NodeID) (Admission, error) {
	if w, ok := ks.(Windowed); ok {
		return w.LookupAdmission(ctx, id)
	}
	k, err := ks.Lookup(ctx, id)
	return Admission{Key: k}, err
}
