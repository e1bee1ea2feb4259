package keys

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// ErrByteOrderMark is wrapped, beside ErrMalformed, by the error for a text that starts
// with one, as some editors and shells put it in front of UTF-8 and UTF-16. OpenSSH does
// not read such a file either.
var ErrByteOrderMark = errors.New("it starts with a byte order mark: save it as UTF-8 without one")

func checkMark[T string | []byte](text T) error {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if len(text) >= len(mark) && string(text[:len(mark)]) == mark {
			return fmt.Errorf("%w: %w", ErrMalformed, ErrByteOrderMark)
		}
	}
	return nil
}

const pemBegin = "-----BEGIN "

// ParsePublicFile reads a public key file of at most MaxFileSize bytes that holds
// exactly one key: a .pub file or authorized_keys line, a line of allowed_signers, an
// RFC 4716 file, or PEM ("PUBLIC KEY", "RSA PUBLIC KEY"). What it is its content says.
// The comment is empty where the format has none.
//
// sshd's options are skipped, as by ParseAuthorizedKey. Those of allowed_signers say
// when a signature counts, which no single key can keep: such a line is refused.
func ParsePublicFile(file []byte) (k PublicKey, comment string, err error) {
	k, comment, err = parsePublicFile(file)
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("keys: %w", err)
	}
	return k, comment, nil
}

func parsePublicFile(file []byte) (PublicKey, string, error) {
	if err := checkMark(file); err != nil {
		return PublicKey{}, "", err
	}
	switch {
	case len(file) > MaxFileSize:
		return PublicKey{}, "", fmt.Errorf("%w: larger than %d bytes", ErrMalformed, MaxFileSize)
	case bytes.HasPrefix(file, []byte(pemBegin)):
		k, err := parsePEM(file)
		return k, "", err
	case bytes.HasPrefix(file, []byte(rfc4716Begin)):
		return parseRFC4716(string(file))
	case bytes.Contains(file, []byte(pemBegin)):
		return PublicKey{}, "", fmt.Errorf("%w: text stands before the PEM block", ErrMalformed)
	}
	line, err := onlyLine(file)
	if err != nil {
		return PublicKey{}, "", err
	}
	k, comment, err := parseAuthorizedLine(line)
	if err == nil || !startsWithPrincipals(line) {
		return k, comment, err
	}
	signer, signerErr := parseSignerLine(line)
	switch {
	case errors.Is(signerErr, ErrNotAdmitted):
		return PublicKey{}, "", signerErr
	case signerErr != nil:
		return PublicKey{}, "", err
	case hasOption(signer.Options, optionCA):
		return PublicKey{}, "", errCA
	case len(signer.Options) > 0:
		return PublicKey{}, "", fmt.Errorf("%w: the allowed_signers line holds only under its options (%s): give the key alone, or the file as a keystore", ErrNotAdmitted, signer.Options[0].Name)
	}
	return signer.Key, signer.Comment, nil
}

// startsWithPrincipals reports whether line cannot be one of authorized_keys.
func startsWithPrincipals(line string) bool {
	field, _ := cutField(line)
	_, err := parseOptions(field, authorizedOptions)
	return err != nil && !isKeyType(field)
}

// onlyBlock returns the one PEM block that file is. pem.Decode alone would skip what
// stands before a good block, a broken one included.
func onlyBlock(file []byte) (*pem.Block, error) {
	if !bytes.HasPrefix(file, []byte(pemBegin)) || bytes.Count(file, []byte(pemBegin)) > 1 {
		return nil, fmt.Errorf("%w: not exactly one PEM block", ErrMalformed)
	}
	block, rest := pem.Decode(file)
	switch {
	case block == nil:
		return nil, fmt.Errorf("%w: the PEM block is broken or cut short", ErrMalformed)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, fmt.Errorf("%w: something stands after the PEM block", ErrMalformed)
	}
	return block, nil
}

func parsePEM(file []byte) (PublicKey, error) {
	block, err := onlyBlock(file)
	switch {
	case err != nil:
		return PublicKey{}, err
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return PublicKey{}, fmt.Errorf("%w: it is a private key, and a public one is wanted", ErrMalformed)
	case len(block.Headers) > 0:
		return PublicKey{}, fmt.Errorf("%w: headers in the PEM block", ErrMalformed)
	}
	switch block.Type {
	case pemPKIX:
		return parsePKIX(block.Bytes)
	case pemPKCS1:
		return parsePKCS1(block.Bytes)
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		return PublicKey{}, fmt.Errorf("%w: an X.509 certificate: \"openssl x509 -noout -pubkey -in FILE\" takes the key out", ErrNotAdmitted)
	case "EC PARAMETERS":
		return PublicKey{}, fmt.Errorf("%w: type EC is ECDSA: %s", ErrNotAdmitted, advice)
	}
	return PublicKey{}, fmt.Errorf("%w: a PEM block %q (want %q)", ErrMalformed, clip.Text(block.Type), pemPKIX)
}
