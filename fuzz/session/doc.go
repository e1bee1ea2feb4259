// Package session drives whole sessions with generated frames: good ones of throw-away
// authors, the same ones broken, and bytes that are no frames.
//
// A [Cast] is the authors of a topic and what they sign. [Script] makes of any bytes,
// which a fuzzer or a seeded generator chose, what one side of a session sends; the same
// bytes and the same cast always make the same session. [Fuzz] sends such sessions to an
// address, and looks after each whether what listens there still answers an honest one.
// When it does not, the session is in the [Crash], to be sent again.
package session
