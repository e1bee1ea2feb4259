package keys

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
)

// AuthorizedKey returns k as an authorized_keys line, without a newline. Control
// characters in comment become blanks, so that it is one line in any case.
func (k PublicKey) AuthorizedKey(comment string) string {
	line := k.Type() + " " + base64.StdEncoding.EncodeToString([]byte(k.blob))
	comment = strings.TrimSpace(strings.Map(blankControl, comment))
	if comment != "" {
		line += " " + comment
	}
	return line
}

func blankControl(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// ParseAuthorizedKey reads a .pub file or an authorized_keys text that holds
// exactly one key: "type base64 [comment]", with empty lines and # comments
// around it. Options before the type are skipped; a cert-authority line is refused.
func ParseAuthorizedKey(text []byte) (k PublicKey, comment string, err error) {
	line := ""
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if line != "" {
			return PublicKey{}, "", fmt.Errorf("keys: %w: more than one line, want one key", ErrMalformed)
		}
		line = l
	}
	if line == "" {
		return PublicKey{}, "", fmt.Errorf("keys: %w: no key in it", ErrMalformed)
	}
	return parseAuthorizedLine(line)
}

func parseAuthorizedLine(line string) (PublicKey, string, error) {
	kind, rest := cutField(line)
	if !looksLikeKeyType(kind) { // options come first
		if strings.Contains(strings.ToLower(kind), "cert-authority") {
			return PublicKey{}, "", fmt.Errorf("keys: %w: a cert-authority line names who signs certificates, which are not used here", ErrNotAdmitted)
		}
		kind, rest = cutField(rest)
	}
	if !looksLikeKeyType(kind) {
		return PublicKey{}, "", fmt.Errorf("keys: %w: no key type in the line (want \"ssh-ed25519 AAAA… comment\")", ErrMalformed)
	}
	encoded, comment := cutField(rest)
	wire, err := decodeBase64(base64.StdEncoding, encoded)
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("keys: %w: the second field is not base64", ErrMalformed)
	}
	k, err := ParsePublicKey(wire)
	if err != nil {
		return PublicKey{}, "", err
	}
	if k.Type() != kind {
		return PublicKey{}, "", fmt.Errorf("keys: %w: the line says %q, the key is %q", ErrMalformed, kind, k.Type())
	}
	return k, comment, nil
}

// looksLikeKeyType tells a key type, admitted or not, from an options field.
func looksLikeKeyType(s string) bool {
	for _, p := range []string{"ssh-", "ecdsa-", "sk-"} {
		if strings.HasPrefix(s, p) && !strings.ContainsAny(s, `="`) {
			return true
		}
	}
	return false
}

// cutField splits off the first field; blanks inside double quotes do not end it
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
func cutField(s string) (field, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return s[:i], strings.TrimLeft(s[i:], " \t")
		}
	}
	return s, ""
}
