// Package mallory is a relay that attacks the peers it stands between, for tests of
// what is built on hearsay.
//
// A [Relay] accepts links under a throw-away node key, dials an upstream peer for each,
// and passes frames both ways. What it does to them are [Attacks], alone or several at
// a time, in the order in which they are named: each takes the frames that the one
// before lets through. Some say frames of their own beside, some take the place of the
// link. Every attack states the one right behaviour of whoever meets it.
//
// What is forged, dated or signed on somebody's behalf ends in [Mark], after the bytes
// of a genuine change: none of it may ever show in the state of a replica, apart from what
// an attack's Right says.
//
// Choices come from a seeded source, one for each link and direction, so the same frames
// meet the same fate. (Peers do not send the same frames every time.)
//
// It can do no harm by accident: it listens on loopback and dials loopback, unless
// Config.InsecureAnyAddress says otherwise, and what it holds and sends is bounded.
package mallory
