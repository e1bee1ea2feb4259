package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

// TestRecordedFingerprints has ssh-keygen -lf as its judge.
func TestRecordedFingerprints(t *testing.T) {
	seen := 0
	for line := range strings.Lines(string(readFile(t, "testdata", "fingerprints"))) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		bits, rest, _ := strings.Cut(rest, " ")
		want, _, _ := strings.Cut(rest, " ")
		k, _, err := keys.ParseAuthorizedKey(readFile(t, shared, name+".pub"))
		if errors.Is(err, keys.ErrNotAdmitted) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen++
		if got := k.ID().Fingerprint(); got != want {
			t.Errorf("%s: fingerprint %s, ssh-keygen says %s", name, got, want)
		}
		if got := strconv.Itoa(k.Bits()); got != bits {
			t.Errorf("%s: %s bits, ssh-keygen says %s", name, got, bits)
		}
		id, err := keys.ParseNodeID(want)
		if err != nil || id != k.ID() {
			t.Errorf("%s: ParseNodeID(%s) = %v, %v", name, want, id, err)
		}
	}
	if seen != len(admittedKeys) {
		t.Errorf("%d admitted keys in the file of fingerprints, want %d", seen, len(admittedKeys))
	}
}

func TestNodeIDText(t *testing.T) {
	id := recorded(t, "ed25519").ID()
	text := id.String()
	if !strings.HasPrefix(text, "Qm") || len(text) != 46 {
		t.Errorf("String = %q, want 46 characters from Qm on", text)
	}
	if got, err := keys.ParseNodeID(text); err != nil || got != id {
		t.Errorf("ParseNodeID(%q) = %v, %v", text, got, err)
	}
	if got, err := keys.NodeIDFromBytes(id[:]); err != nil || got != id {
		t.Errorf("NodeIDFromBytes = %v, %v", got, err)
	}
	if got := id.Short(); got != "…"+text[38:] {
		t.Errorf("Short = %q", got)
	}
	encoded, err := json.Marshal(map[keys.NodeID]keys.NodeID{id: id})
	if want := `{"` + text + `":"` + text + `"}`; err != nil || string(encoded) != want {
		t.Errorf("JSON = %s, %v; want %s", encoded, err, want)
	}
	var back map[keys.NodeID]keys.NodeID
	if err := json.Unmarshal(encoded, &back); err != nil || back[id] != id {
		t.Errorf("JSON back = %v, %v", back, err)
	}
}

func TestParseNodeIDRefuses(t *testing.T) {
	id := recorded(t, "ed25519").ID()
	text, fingerprint := id.String(), id.Fingerprint()
	for name, s := range map[string]string{
		"empty":                    "",
		"prefix only":              "SHA256:",
		"fingerprint cut short":    fingerprint[:len(fingerprint)-1],
		"fingerprint padded":       fingerprint + "=",
		"fingerprint, spare bits":  fingerprint[:len(fingerprint)-1] + "N",
		"fingerprint, line end":    fingerprint[:20] + "\n" + fingerprint[20:],
		"fingerprint, return":      fingerprint + "\r",
		"fingerprint, lower case":  strings.Replace(fingerprint, "SHA256", "sha256", 1),
		"MD5 fingerprint":          "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
		"id cut short":             text[:45],
		"id with one more":         text + "1",
		"id behind a leading zero": "1" + text,
		"id with a blank":          text + " ",
		"letter outside base58":    strings.Replace(text, "Qm", "Q0", 1),
		"beyond ASCII":             "Qm" + strings.Repeat("é", 22),
		"a megabyte":               strings.Repeat("Q", 1<<20),
		"hex":                      "1220" + strings.Repeat("ab", 32),
	} {
		got, err := keys.ParseNodeID(s)
		if !errors.Is(err, keys.ErrBadID) || !got.IsZero() {
			t.Errorf("%s: ParseNodeID = %v, %v; want ErrBadID", name, got, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error repeats %d bytes of its input", name, len(err.Error()))
		}
		kept := id
		if err := kept.UnmarshalText([]byte(s)); err == nil || kept != id {
			t.Errorf("%s: UnmarshalText = %v and changed its receiver: %t", name, err, kept != id)
		}
	}
}

func TestCompareOrdersBytes(t *testing.T) {
	for _, a := range admittedKeys {
		for _, b := range admittedKeys {
			x, y := recorded(t, a).ID(), recorded(t, b).ID()
			if got, want := x.Compare(y), bytes.Compare(x[:], y[:]); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
			}
		}
	}
}
