// Package archive keeps an export of one topic in a directory of files, which grow by
// what is new and of which none is ever changed or replaced.
//
// A [Writer] takes the bytes of an export file, as replica.Replica.Export writes them, and
// puts its statements into files of a bounded size, 00000001.hearsay and so on, each an
// export file by itself (docs/protocol.md, "Export files"):
//
//	w, err := archive.Create(dir, archive.Config{})
//	…
//	r.Export(ctx, w, replica.ExportConfig{After: w.Clock(), Follow: true})
//
// A file begins with a Base: how far the files before it have come. So a missing file is
// noticed, and who goes on needs to read the last one only. Whenever the export has no
// more for now, and every 4 MiB, the Writer writes a Mark, which vouches for the bytes
// before it, and flushes the file to the disk; then that is in the archive, and Clock
// says so. A file that has been filled, or that was closed, has an end; one whose Writer
// was killed has none. The next Writer leaves it as it is and goes on in another file,
// from the last good Mark.
//
// A [Reader] gives all files as one export file, for replica.Replica.Import. Behind the
// last Mark of a file without an end it takes the whole frames whose signature is good,
// unless the files behind it have all of them again. What it cannot take is a [Fault]: bytes that
// a killed writer left, bytes that are not what was written, files that are missing.
// Nothing that it gives is verified, but what is behind a Mark: whoever can write to the
// directory can write marks.
package archive
