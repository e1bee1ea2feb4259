// Package roster is an administrator's signed, expiring list of admitted ids.
//
// A list is text, each line ended by one newline:
//
//	hearsay-keys 1
//	version 7
//	issued 20260102030405Z
//	expires 20260109030405Z
//	ids 2
//	Qm…
//	Qm… 20260101000000Z/20270101000000Z
//
// Versions start at 1 and rise with every list. The ids stand in rising order of their
// texts, each once, and behind an id the windows of signed times that it is admitted
// for, none of them for any time; an end that is left out is open. All times are UTC.
// There is one text for each list: what is not in this form is refused.
//
// A signed list is the text followed by the armored SSHSIG over it, in [Namespace],
// with hash sha256. "ssh-keygen -Y verify" checks it when the two are parted where the
// signature begins.
package roster

import "time"

// Namespace is what lists are signed under, and nothing else is.
const Namespace = "hearsay-keys"

const (
	// MaxIDs bounds a list.
	MaxIDs = 1 << 16

	// MaxWindows bounds the windows of one id.
	MaxWindows = 8

	// MaxSize bounds a signed list, in bytes: MaxIDs with a window each, and a signature.
	MaxSize = 6 << 20

	// MaxLife bounds the time from issue to expiry: who withholds all newer lists is
	// believed that long.
	MaxLife = 400 * 24 * time.Hour

	// maxSignature bounds the armored signature, in bytes: RSA-4096 has 1.6 kB.
	maxSignature = 4 << 10
)
