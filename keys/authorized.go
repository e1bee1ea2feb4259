package keys

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
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
// exactly one key: "[options] type base64 [comment]", with empty lines and #
// comments around it. Options must be sshd's and are skipped; a cert-authority line
// is refused.
func ParseAuthorizedKey(text []byte) (k PublicKey, comment string, err error) {
	line, err := onlyLine(text)
	if err == nil {
		k, comment, err = parseAuthorizedLine(line)
	}
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("keys: %w", err)
	}
	return k, comment, nil
}

// onlyLine returns the one line of text that is neither empty nor a comment.
func onlyLine(text []byte) (string, error) {
	if err := checkMark(text); err != nil {
		return "", err
	}
	line := ""
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || l[0] == '#' {
			continue
		}
		if line != "" {
			return "", fmt.Errorf("%w: more than one line, want one key", ErrMalformed)
		}
		line = l
	}
	if line == "" {
		return "", fmt.Errorf("%w: no key in it", ErrMalformed)
	}
	return line, nil
}

func parseAuthorizedLine(line string) (PublicKey, string, error) {
	if field, rest := cutField(line); !looksLikeKeyType(field) && rest != "" {
		options, err := parseOptions(field, authorizedOptions)
		if err != nil {
			return PublicKey{}, "", err
		}
		if hasOption(options, optionCA) {
			return PublicKey{}, "", errCA
		}
		line = rest
	}
	return parseKeyFields(line)
}

const optionCA = "cert-authority"

var errCA = fmt.Errorf("%w: a cert-authority line names who signs certificates, which are not used here", ErrNotAdmitted)

// parseKeyFields reads "type base64 [comment]".
func parseKeyFields(line string) (PublicKey, string, error) {
	kind, rest := cutField(line)
	if !looksLikeKeyType(kind) {
		return PublicKey{}, "", fmt.Errorf("%w: no key type in the line (want \"ssh-ed25519 AAAA… comment\")", ErrMalformed)
	}
	encoded, comment := cutField(rest)
	wire, err := decodeBase64(base64.StdEncoding, encoded)
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("%w: what follows the key type is not base64", ErrMalformed)
	}
	if err := checkWire(wire); err != nil {
		return PublicKey{}, "", err
	}
	k := PublicKey{string(wire)}
	if k.Type() != kind {
		return PublicKey{}, "", fmt.Errorf("%w: the line says %q, the key is %q", ErrMalformed, clip.Text(kind), k.Type())
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
