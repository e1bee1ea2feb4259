// Package bundle is the public keys of a fleet in one file that an administrator has
// signed.
//
// A bundle is an allowed_signers file (ssh-keygen(1), ALLOWED SIGNERS) that starts with
// five comment lines, each as here:
//
//	# hearsay-bundle 1
//	# name fleet.signers
//	# version 3
//	# issued 20260102030405Z
//	# expires 20260201030405Z
//	Qm…,edge-000001 namespaces="hearsay-update" ssh-ed25519 AAAA… edge-000001
//
// Its detached SSHSIG, in [Namespace], is what "ssh-keygen -Y verify" checks. Versions
// start at 1 and rise with every bundle of one signer and name: who has admitted one
// refuses those before it, which may name members that were withdrawn since. After it
// expires nobody should admit a bundle that has not done so before. All times are UTC.
//
// A principal is the id of the key, or a name that no other key of the bundle has. Lines
// may be written by hand. They hold at any time: valid-after, valid-before and
// cert-authority are refused, as is a key that stands there twice, and a principal that has
// wildcards or is the id of another key.
package bundle

import "time"

// Namespace is what bundles are signed under, and nothing else is.
const Namespace = "hearsay-bundle"

const (
	// MaxSize bounds a bundle, in bytes: 10,000 RSA-4096 keys with 800 bytes each.
	MaxSize = 8 << 20

	// MaxSignature bounds the armored signature, in bytes: RSA-4096 has 1.6 kB.
	MaxSignature = 4 << 10

	// MaxLife bounds the time from issue to expiry: an old bundle is believed that long by
	// who has never seen a newer one.
	MaxLife = 400 * 24 * time.Hour
)

// updates is the namespace that members are admitted for.
const updates = "hearsay-update"
