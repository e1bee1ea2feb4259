package main

import (
	"io"
	"regexp"
)

var (
	// privateKeys are PEM blocks of private keys, also cut short, or quoted with \n for the
	// ends of lines.
	privateKeys = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:(?s:.)*?-----END [A-Z0-9 ]*PRIVATE KEY-----|[A-Za-z0-9+/=\s\\]*)`)
	// bareKeys are the one line of base64 that an ed25519 key in PKCS #8 is (RFC 8410,
	// section 7), without the lines around it.
	bareKeys = regexp.MustCompile(`M[A-Za-z0-9+/]{2,8}wBQYDK2VwBCIEI[A-Za-z0-9+/=]*`)
	// longWords have no place in a message: what is meant for a file's name may be what is in it.
	longWords = regexp.MustCompile(`([^\s"]{24})[^\s"]{400,}`)
)

// redacting writes messages, each with one call, and nothing that might be a private key.
type redacting struct{ w io.Writer }

func (r redacting) Write(p []byte) (int, error) {
	out := privateKeys.ReplaceAll(p, []byte("(a private key)"))
	out = bareKeys.ReplaceAll(out, []byte("(a private key)"))
	out = longWords.ReplaceAll(out, []byte("$1…"))
	if _, err := r.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
