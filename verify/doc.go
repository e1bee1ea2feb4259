// Package verify decides whether a foreign statement may be believed, and waits when
// nobody can say yet.
//
// A [Request] is a statement that somebody delivered: a run, a head or a fork proof. A
// [Func] answers it with one of three verdicts:
//
//	Accept       the policy admits the author, and Request.Check has succeeded
//	Reject       final: not admitted, wrong key, bad signature; nothing moves
//	Unavailable  nobody can say yet: a keystore error, silence, a panic; tried again
//
// The policy is the Func's ([Admitted], [AnyKey] or one's own); the cryptography is
// not: an Accept counts only after [Request.Check], which is [wire.Open].
//
// # Order
//
// A [Pipeline] asks its Func about the statements of one author, of whatever kind, one
// after another, in the order of [Pipeline.Submit], and about different authors at the
// same time. The next one of an author is looked at when the one before has its final
// verdict, so an author whose keystore is down waits, in order, while all others flow.
// Checks share Config.Workers slots; look-ups and waiting hold none.
//
// # Bounds
//
// What flows and what waits are counted apart, in statements (a run, a head and a proof
// are one each) and in bytes, in all and per author. When too much flows, Submit blocks,
// and room goes first to the [Request.Origin] that has least in flight. When too much
// waits, Submit returns [ErrDropped] at once; and when an author turns to waiting while the total is full,
// the tail of whoever waits with most is dropped, as a [Result] with ErrDropped.
// What was dropped has moved nothing: it is asked for again. At most as many Funcs
// are at work as there are authors with a statement in the pipeline.
package verify
