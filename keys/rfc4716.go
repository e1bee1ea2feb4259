package keys

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	rfc4716Begin = "---- BEGIN SSH2 PUBLIC KEY ----"
	rfc4716End   = "---- END SSH2 PUBLIC KEY ----"
	// rfc4716Line bounds a line (RFC 4716, section 3.2: 72 bytes), as OpenSSH writes it.
	rfc4716Line = 70
	// rfc4716Comment keeps the comment on one line: OpenSSH drops what follows a
	// continued one when there is a colon in it.
	rfc4716Comment = 60
)

// parseRFC4716 reads a file of one key, with lines that end in LF or CR LF.
func parseRFC4716(file string) (PublicKey, string, error) {
	body, ok := strings.CutPrefix(strings.ReplaceAll(file, "\r\n", "\n"), rfc4716Begin+"\n")
	body, after, ended := strings.Cut(body, "\n"+rfc4716End)
	if !ok || !ended {
		return PublicKey{}, "", fmt.Errorf("%w: the RFC 4716 file is broken or cut short", ErrMalformed)
	}
	if strings.TrimSpace(after) != "" {
		return PublicKey{}, "", fmt.Errorf("%w: something stands after the RFC 4716 key", ErrMalformed)
	}
	comment := ""
	for {
		tag, value, rest, isHeader := cutHeader(body)
		if !isHeader {
			break
		}
		if strings.EqualFold(tag, "Comment") {
			comment = unquoteComment(value)
		}
		body = rest
	}
	wire, err := decodeBase64(base64.StdEncoding, strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("%w: the body of the RFC 4716 file is not base64", ErrMalformed)
	}
	if err := checkWire(wire); err != nil {
		return PublicKey{}, "", err
	}
	return PublicKey{string(wire)}, comment, nil
}

// cutHeader splits off a header, "Tag: value", which a backslash continues on the next
// line (section 3.3). base64 has no colon.
func cutHeader(s string) (tag, value, rest string, ok bool) {
	line, rest, _ := strings.Cut(s, "\n")
	tag, value, ok = strings.Cut(line, ": ")
	if !ok {
		return "", "", s, false
	}
	for strings.HasSuffix(value, `\`) && rest != "" {
		line, rest, _ = strings.Cut(rest, "\n")
		value = strings.TrimSuffix(value, `\`) + line
	}
	return tag, value, rest, true
}

func unquoteComment(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return strings.TrimSpace(strings.Map(blankControl, s))
}

// MarshalRFC4716 returns k as an RFC 4716 file, with at most 60 bytes of the comment.
// The zero key has none: nil.
func (k PublicKey) MarshalRFC4716(comment string) []byte {
	if k.IsZero() {
		return nil
	}
	var b strings.Builder
	b.WriteString(rfc4716Begin + "\n")
	comment = strings.Map(blankControl, comment)
	if len(comment) > rfc4716Comment {
		comment = strings.ToValidUTF8(comment[:rfc4716Comment], "")
	}
	// OpenSSH looks for these words in every line, headers too.
	comment = strings.NewReplacer("END ", "end ", "BEGIN ", "begin ").Replace(strings.TrimSpace(comment))
	if comment != "" {
		b.WriteString(`Comment: "` + comment + "\"\n")
	}
	for encoded := base64.StdEncoding.EncodeToString([]byte(k.blob)); encoded != ""; {
		n := min(len(encoded), rfc4716Line)
		b.WriteString(encoded[:n] + "\n")
		encoded = encoded[n:]
	}
	b.WriteString(rfc4716End + "\n")
	return []byte(b.String())
}
