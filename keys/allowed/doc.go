// Package allowed is a keystore in an allowed_signers file (ssh-keygen(1), ALLOWED
// SIGNERS), the one that "ssh-keygen -Y verify" reads.
//
// A line admits its key if all of this holds:
//
//   - its principals match [Options].Principal, or none was asked for;
//   - its namespaces= patterns, if any, match "hearsay-update";
//   - it is no cert-authority line: certificates are not used here;
//   - the signed time of an update lies between its valid-after and valid-before.
//
// The times are compared with what the author signed, never with a clock: an update
// that counted once counts for ever. Both ends are included, to the second. A time that
// does not end in Z is read in this machine's time zone, as ssh-keygen does, and listed
// by [File.Problems]: machines in two zones would not admit the same updates. Several
// lines with one key admit it for the times of each.
//
// A line that cannot be read admits nobody, is logged once and listed by
// [File.Problems], and the others count. The file is polled: a change takes effect
// within a second. While it cannot be read, or is gone, what was admitted stays so, and
// every other id is unavailable rather than unknown.
package allowed

import "github.com/hearsaynet/hearsay/keys/internal/watch"

// Namespace is the one that namespaces= patterns must match, whatever an author signs.
const Namespace = "hearsay-update"

const (
	// MaxFileSize bounds the file, in bytes: 10,000 RSA-4096 keys with 800 bytes each.
	MaxFileSize = 8 << 20

	// MaxLine bounds a line, in bytes.
	MaxLine = 16 << 10

	// maxWindows bounds the lines with times of one key.
	maxWindows = 64

	// maxProblems bounds what Problems returns.
	maxProblems = 100

	pollInterval = watch.Interval
)
