// Package clip shortens input for an error message.
package clip

import "strings"

// most is how much of the input is shown, in bytes: a node id, or a long word.
const most = 60

// Text returns s, or its beginning and an ellipsis.
func Text(s string) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
