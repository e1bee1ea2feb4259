// Hearsay replicates signed updates through peers that nobody has to trust.
//
//	hearsay up                  runs a node and prints the line that joins it
//	hearsay set KEY VALUE       writes, signed, to all who replicate the topic
//	hearsay --help              lists everything else
//
// Data goes to standard output, everything else to standard error. The exit code is
// 0, 1 for a failure, 2 for a call that makes no sense.
package main

import (
	"os"
)

func main() { os.Exit(run(os.Args[1:])) }
