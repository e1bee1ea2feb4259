//go:build race

package dst

// racing says that the race detector is on, which makes everything ten times slower.
const racing = true
