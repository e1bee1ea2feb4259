// Command corpus writes the seeds of the fuzz targets: for each function that reads
// foreign bytes a folder with inputs that it accepts and inputs that it refuses.
//
//	go run ./fuzz/corpus
//
// The files are the bytes as they come, so that another implementation's fuzzers can
// start from them as well: fuzz/corpus/DECODER/accepted/NAME and …/refused/NAME. They
// follow from fixed keys; a second run changes nothing. The key files are those of
// testdata/keys.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("module", ".", "the module's `DIR`")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	c, err := build(filepath.Join(root, "testdata", "keys"))
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "fuzz", "corpus")
	if err := c.write(dir); err != nil {
		return err
	}
	fmt.Printf("%d files of %d decoders in %s\n", len(c.files), len(c.decoders()), dir)
	return nil
}
