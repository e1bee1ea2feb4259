package bundle_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

func fleet(t *testing.T) *bundle.Bundle {
	t.Helper()
	issued := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &bundle.Bundle{Name: "fleet.signers", Version: 3, Issued: issued, Expires: issued.Add(30 * 24 * time.Hour), Members: []bundle.Member{
		{Key: keytest.Recorded(t, "ed25519"), Comment: "ada@example", Names: []string{"ada@example"}},
		{Key: keytest.Recorded(t, "rsa2048"), Comment: "two words"},
	}}
}

func text(t *testing.T, b *bundle.Bundle) string {
	t.Helper()
	out, err := b.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestTextAndParse(t *testing.T) {
	b := fleet(t)
	got := text(t, b)
	ada, rsa := b.Members[0].Key, b.Members[1].Key
	want := "# hearsay-bundle 1\n# name fleet.signers\n# version 3\n# issued 20260102030405Z\n# expires 20260201030405Z\n" +
		ada.ID().String() + `,ada@example namespaces="hearsay-update" ` + ada.AuthorizedKey("ada@example") + "\n" +
		rsa.ID().String() + ` namespaces="hearsay-update" ` + rsa.AuthorizedKey("two words") + "\n"
	if got != want {
		t.Fatalf("text\n%s\nwant\n%s", got, want)
	}
	again, err := bundle.Parse([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if text(t, again) != want {
		t.Errorf("parsed and written anew\n%s", text(t, again))
	}
}

// TestByHand reads lines that somebody has written.
func TestByHand(t *testing.T) {
	head, _, _ := strings.Cut(text(t, fleet(t)), "\nQm")
	ada := keytest.Recorded(t, "ed25519")
	for _, line := range []string{
		"ada " + ada.String(), "# who\r\n\r\nada,ada@example " + ada.String() + " comment\r",
		`"ada" namespaces="hearsay-*" ` + ada.String(), `ada namespaces="git,hearsay-update" ` + ada.String(),
		ada.ID().String() + " " + ada.String(),
	} {
		b, err := bundle.Parse([]byte(head + "\n" + line + "\n"))
		if err != nil || len(b.Members) != 1 || b.Members[0].Key != ada {
			t.Errorf("%s\n%v, %v", line, b, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	good := text(t, fleet(t))
	head, _, _ := strings.Cut(good, "\nQm")
	head += "\n"
	ada, eve := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "rsa2048")
	for name, tt := range map[string]struct{ text, says string }{
		"nothing":                 {"", "does not start with"},
		"no header":               {"ada " + ada.String() + "\n", "no version and no date of expiry"},
		"a later form":            {strings.Replace(good, "bundle 1", "bundle 2", 1), "does not start with"},
		"no name":                 {strings.Replace(good, "# name fleet.signers\n", "", 1), "line 3"},
		"a path as its name":      {strings.Replace(good, "fleet.signers", "../x", 1), "is no name"},
		"version 0":               {strings.Replace(good, "version 3", "version 0", 1), "version 0"},
		"a version like no other": {strings.Replace(good, "version 3", "version 03", 1), "the one form"},
		"a version too large":     {strings.Replace(good, "version 3", "version 9223372036854775808", 1), "line 3"},
		"no expiry":               {strings.Replace(good, "# expires 20260201030405Z\n", "", 1), "line 5"},
		"expired from the start":  {strings.Replace(good, "expires 2026", "expires 2025", 1), "expires before"},
		"good for two years":      {strings.Replace(good, "expires 2026", "expires 2028", 1), "longer than 400 days"},
		"a blank at the end":      {strings.Replace(good, "version 3", "version 3 ", 1), "line 3"},
		"a time":                  {head + `ada valid-before="20300101Z" ` + ada.String(), "line 6: .*bounded in time"},
		"an authority":            {head + "ada cert-authority " + ada.String(), "line 6: .*cert-authority"},
		"another namespace":       {head + `ada namespaces="git" ` + ada.String(), "line 6: .*admits nobody"},
		"the list's namespace":    {head + `ada namespaces="hearsay-keys" ` + ada.String(), "admits nobody"},
		"not that namespace":      {head + `ada namespaces="hearsay-*,!hearsay-update" ` + ada.String(), "admits nobody"},
		"a key twice":             {head + "ada " + ada.String() + "\nbob " + ada.String(), "stands there twice"},
		"a name twice":            {head + "ada " + ada.String() + "\nada " + eve.String(), "one principal"},
		"another's id":            {head + "ada " + ada.String() + "\n" + ada.ID().String() + " " + eve.String(), "an id is only its own key's"},
		"a stranger's id":         {head + ada.ID().String() + " " + eve.String(), "an id is only its own key's"},
		"a fingerprint":           {head + ada.ID().Fingerprint() + " " + eve.String(), "an id is only its own key's"},
		"a wildcard":              {head + "Qm* " + ada.String(), "no principal"},
		"ECDSA":                   {head + "ada " + keytest.File(t, "ecdsa.pub"), "line 6: .*not admitted"},
		"no key":                  {head + "ada\n", "line 6"},
		"too large":               {good + strings.Repeat("#\n", bundle.MaxSize/2), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := bundle.Parse([]byte(tt.text))
			if b != nil || err == nil || !keytest.Says(err, tt.says) {
				t.Errorf("Parse = %v, %v; want an error about %q", b, err, tt.says)
			}
		})
	}
}

func TestTextRefuses(t *testing.T) {
	for name, change := range map[string]func(*bundle.Bundle){
		"no name":        func(b *bundle.Bundle) { b.Name = "" },
		"version 0":      func(b *bundle.Bundle) { b.Version = 0 },
		"version 2^63":   func(b *bundle.Bundle) { b.Version = 1 << 63 },
		"half a second":  func(b *bundle.Bundle) { b.Issued = b.Issued.Add(time.Millisecond) },
		"no key":         func(b *bundle.Bundle) { b.Members[0].Key = keys.PublicKey{} },
		"a key twice":    func(b *bundle.Bundle) { b.Members = append(b.Members, b.Members[0]) },
		"a shared name":  func(b *bundle.Bundle) { b.Members[1].Names = b.Members[0].Names },
		"an id as name":  func(b *bundle.Bundle) { b.Members[1].Names = []string{b.Members[0].Key.ID().String()} },
		"two in a name":  func(b *bundle.Bundle) { b.Members[1].Names = []string{"a,b"} },
		"a wildcard":     func(b *bundle.Bundle) { b.Members[1].Names = []string{"*"} },
		"not this":       func(b *bundle.Bundle) { b.Members[1].Names = []string{"!x"} },
		"a line's break": func(b *bundle.Bundle) { b.Members[1].Names = []string{"a\nb"} },
	} {
		b := fleet(t)
		b.Members = slices.Clone(b.Members)
		change(b)
		if out, err := b.Text(); !errors.Is(err, bundle.ErrMalformed) || out != nil {
			t.Errorf("%s: %q, %v; want ErrMalformed", name, out, err)
		}
	}
}

func TestIsPrincipal(t *testing.T) {
	id := keytest.Recorded(t, "ed25519").ID()
	for s, want := range map[string]bool{
		"ada": true, "ada@example.org": true, "edge-000001": true,
		"": false, "two words": false, "a,b": false, "*": false, "!ada": false, "-a": false, `"a"`: false,
		id.String(): false, id.Fingerprint(): false,
	} {
		if got := bundle.IsPrincipal(s); got != want {
			t.Errorf("IsPrincipal(%q) = %t", s, got)
		}
	}
}

func TestOpenChecksTheSignatureFirst(t *testing.T) {
	admin, thief := keytest.NewSigner(t, 1), keytest.NewSigner(t, 2)
	good := []byte(text(t, fleet(t)))
	seal := func(k keytest.Signer, namespace string, text []byte) []byte {
		return keys.ArmorSignature(k.Public(), namespace, k.Sign(namespace, text))
	}
	armored := seal(admin, bundle.Namespace, good)
	if b, err := bundle.Open(good, armored, admin.Public().ID()); err != nil || b.Version != 3 {
		t.Errorf("Open = %v, %v", b, err)
	}
	bad := []byte("no bundle")
	for name, tt := range map[string]struct {
		text, armored []byte
		want          error
	}{
		"changed":           {append([]byte("#"), good...), armored, bundle.ErrSigner},
		"another signer":    {good, seal(thief, bundle.Namespace, good), bundle.ErrSigner},
		"another namespace": {good, seal(admin, "hearsay-keys", good), bundle.ErrSigner},
		"no signature":      {good, []byte("x"), bundle.ErrMalformed},
		"two signatures":    {good, append(slices.Clone(armored), armored...), bundle.ErrMalformed},
		"a long signature":  {good, append(slices.Clone(armored), make([]byte, bundle.MaxSignature)...), bundle.ErrMalformed},
		"signed, no bundle": {bad, seal(admin, bundle.Namespace, bad), bundle.ErrMalformed},
		"unsigned garbage":  {bad, armored, bundle.ErrSigner},
	} {
		if b, err := bundle.Open(tt.text, tt.armored, admin.Public().ID()); b != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, %v; want %v", name, b, err, tt.want)
		}
	}
	sig := admin.Sign(bundle.Namespace, good)
	if got, err := bundle.Seal(good, admin.Public(), sig); err != nil || !slices.Equal(got, armored) {
		t.Errorf("Seal = %q, %v", got, err)
	}
	if _, err := bundle.Seal(good, thief.Public(), sig); !errors.Is(err, keys.ErrBadSignature) {
		t.Errorf("Seal with another's signature: %v", err)
	}
	if _, err := bundle.Seal(bad, admin.Public(), sig); !errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("Seal of no bundle: %v", err)
	}
}
