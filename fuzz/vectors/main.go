// Command vectors writes testdata/vectors: bytes that a second implementation of
// docs/protocol.md can be checked against, good ones with what they mean, and bad ones
// with the check that refuses them. Its output depends on nothing.
//
//	go run ./fuzz/vectors -o testdata/vectors
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("o", "testdata/vectors", "the directory to write to")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, b := range files() {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files makes all files, by name.
func files() map[string][]byte {
	return map[string][]byte{
		"keys.json":       encode(keyVectors()),
		"ids.json":        encode(idVectors()),
		"signatures.json": encode(signatureVectors()),
		"updates.json":    encode(updateVectors()),
		"runs.json":       encode(runVectors()),
		"heads.json":      encode(headVectors()),
		"proofs.json":     encode(proofVectors()),
		"frames.json":     encode(frameVectors()),
		"links.json":      encode(linkVectors()),
		"exports.json":    encode(exportVectors()),
		"histories.json":  encode(historyVectors()),
		"sessions.json":   encode(sessionVectors()),
	}
}
