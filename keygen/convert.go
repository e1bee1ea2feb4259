package keygen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/sign"
)

// Format is a way to write a key.
type Format string

// The formats. The first three hold the private key.
const (
	OpenSSH       Format = "openssh"        // PROTOCOL.key
	PKCS8         Format = "pkcs8"          // PEM, "PRIVATE KEY"
	PKCS1         Format = "pkcs1"          // PEM, "RSA PRIVATE KEY"
	PEMPublic     Format = "pem-public"     // PEM, "PUBLIC KEY"
	AuthorizedKey Format = "authorized-key" // one line, as in a .pub file
	RFC4716       Format = "rfc4716"        // "SSH2 PUBLIC KEY"
)

// Formats returns every Format.
func Formats() []Format { return []Format{OpenSSH, PKCS8, PKCS1, PEMPublic, AuthorizedKey, RFC4716} }

// IsPrivate reports whether f holds the private key.
func (f Format) IsPrivate() bool { return slices.Contains([]Format{OpenSSH, PKCS8, PKCS1}, f) }

// ErrClear is wrapped by Marshal's error for a passphrase that the format cannot use.
var ErrClear = errors.New("PKCS #1 is written in the clear only")

// Marshal returns k, with its secret, in a private format. With an empty passphrase it
// is not encrypted. The comment is kept where the format has one.
func Marshal(f Format, k *sign.PrivateKey, comment string, passphrase []byte) (file []byte, err error) {
	if k == nil {
		return nil, errors.New("keygen: no private key")
	}
	switch {
	case f == OpenSSH:
		file, err = k.MarshalOpenSSH(comment, passphrase)
	case f == PKCS8:
		file, err = k.MarshalPKCS8(passphrase)
	case f == PKCS1 && len(passphrase) > 0:
		err = ErrClear
	case f == PKCS1:
		file, err = k.MarshalPKCS1()
	default:
		err = fmt.Errorf("%q is not a format of private keys", string(f))
	}
	if err != nil {
		return nil, fmt.Errorf("keygen: %w", err)
	}
	return file, nil
}

// MarshalPublic returns k in a public format. The comment is kept where the format has
// one.
func MarshalPublic(f Format, k keys.PublicKey, comment string) ([]byte, error) {
	if k.IsZero() {
		return nil, errors.New("keygen: no public key")
	}
	switch f {
	case PEMPublic:
		return k.MarshalPEM(), nil
	case AuthorizedKey:
		return []byte(k.AuthorizedKey(comment) + "\n"), nil
	case RFC4716:
		return k.MarshalRFC4716(comment), nil
	}
	return nil, fmt.Errorf("keygen: %q is not a format of public keys", string(f))
}

// WriteFile writes a key file in format f to path, durably: mode 0600 if it holds the
// private key, else 0644 less the umask. The error wraps fs.ErrExist when path is there
// and overwrite is false. A file that is overwritten is replaced as a whole.
func WriteFile(path string, f Format, file []byte, overwrite bool) error {
	dir, name := filepath.Split(path)
	if name == "" || strings.ContainsRune(name, 0) {
		return fmt.Errorf("keygen: %q names no file", path)
	}
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("keygen: the directory for %s: %w", path, reason(err))
	}
	defer root.Close()
	perm := fs.FileMode(0o644)
	if f.IsPrivate() {
		perm = 0o600
	}
	if overwrite {
		err = durable.Replace(root, name, file, perm)
	} else if err = durable.Create(root, name, file, perm); err == nil {
		err = durable.SyncDir(root)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("keygen: %s: %w", path, fs.ErrExist)
	case err != nil:
		return fmt.Errorf("keygen: %s: cannot write: %w", path, reason(err))
	}
	return nil
}
