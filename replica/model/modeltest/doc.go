// Package modeltest examines models: what replica.Model demands of them, and what keeps
// many authors' replicas alike when some of the authors are hostile.
//
// A [Kit] says how to make an empty model, how to write down all that its readers see,
// and how to draw a good change. [Run] draws histories of several authors from it, with
// ties, wrong clocks and malformed changes among them, and checks as subtests:
//
//	Order       the same updates give the same state, in whatever order they come
//	Exclusion   without one author's updates the state is what the others' make, and shows
//	            all that it showed of them
//	Rebuild     Reset and a replay give the same state; readers of a replica.Rebuilder see
//	            the state before until it is told that the rebuild is over
//	Reports     an update that is said to have changed nothing, or to be an error, has
//	Retention   no part of Update.Change is written to, or read behind ApplyUpdate
//	Garbage     nor is it kept from the garbage collector
//	Hostile     random, damaged, foreign and huge changes, and good ones many times over, do
//	            not panic, take long, or leave a trace behind an error
//	Allocation  a hostile change costs memory in proportion to its bytes
//	Watchers    what a watcher is told, replayed, makes the state, also behind withdrawals and cuts
//	Readers     the state can be read while updates come; run it with -race
//	Replicas    real replicas that got the updates in different runs, twice, from files and
//	            from each other, and with different own authors, show the same
//	Admissions  so do those whose authors were admitted, withdrawn and cut meanwhile
//	Explained   a replica counts each update that is an error, and says why
//
// The histories are drawn with [rapid], which prints how to see a failure again and
// makes it small first. Its flag -rapid.checks sets how many are drawn: 100 of each by
// default, a fifth of that where real replicas are made. 100 take about a second.
// docs/your-own-model.md shows the suite in use.
//
// [rapid]: https://pkg.go.dev/pgregory.net/rapid
package modeltest
