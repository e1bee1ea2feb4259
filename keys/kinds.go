package keys

import (
	"fmt"
	"strings"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// advice follows what is said of a key that is of no use here.
const advice = `"ssh-keygen -t ed25519" makes one that is`

// certSuffix ends the type of every OpenSSH certificate (PROTOCOL.certkeys).
const certSuffix = "-cert-v01@openssh.com"

// notAdmittedType says why a key type other than the two admitted is none of them.
func notAdmittedType(kind string) error {
	if what := describeType(kind); what != "" {
		return fmt.Errorf("%w: %s", ErrNotAdmitted, what)
	}
	return fmt.Errorf("%w: type %q (ssh-ed25519 and ssh-rsa are)", ErrNotAdmitted, clip.Text(kind))
}

// describeType names the key types that OpenSSH has and hearsay does not use; it is
// "" for others.
func describeType(kind string) string {
	switch {
	case strings.HasSuffix(kind, certSuffix):
		return fmt.Sprintf("type %s is a certificate: give the plain key that it is for, the .pub file without -cert", clip.Text(kind))
	case strings.HasPrefix(kind, "sk-"), strings.HasPrefix(kind, "webauthn-sk-"):
		return fmt.Sprintf("type %s is a security key, which signs more than it is given: %s", clip.Text(kind), advice)
	case strings.HasPrefix(kind, "ecdsa-sha2-"):
		return fmt.Sprintf("type %s is ECDSA: %s", clip.Text(kind), advice)
	case kind == "ssh-dss":
		return "type ssh-dss is DSA: " + advice
	}
	return ""
}

// isKeyType reports whether s is a key type by name, admitted or not.
func isKeyType(s string) bool { return s == TypeEd25519 || s == TypeRSA || describeType(s) != "" }
