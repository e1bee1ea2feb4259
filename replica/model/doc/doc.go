// Package doc is rows with fields that many authors write, Sets of rows that follow what is
// written, and Sequences, which are Sets in an order that authors choose.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    opaque name<1..255>;         // UTF-8
//	    opaque value<0..2^32-1>;     // JSON (RFC 8259), at most 64 deep; nothing: the
//	} Field;                         // field is taken away
//
//	struct {
//	    uint8  op;                   // 1 set, 2 delete
//	    opaque row<1..255>;          // UTF-8
//	    Field  fields;               // for set: any number until the change ends, bytewise
//	} Change;                        // by name, none twice
//
// Any other bytes are an error, and have no effect.
//
// # Rows
//
// Changes of a row are ordered by (time, author, hash). A delete ends what was set before
// it, and a row exists from a set on until a later delete. Of the writes of one field the
// last counts, so two authors who write different fields at once both have what they
// wrote. A set that comes after a delete brings the row back with what it sets, and nothing
// of what was there before. So the rows are a function of the set of changes, and without
// one author's the others' are what they would be if it had never written.
//
// # Sequences
//
// A row's position is a field like any other, by default "_sort": a JSON string of
// lower-case hexadecimal digits that stands for a fraction in base 256 (Greenspan,
// "Implementing Fractional Indexing", 2020), so no row's place depends on another row. See
// package list, in which the elements have no names of their own, for what is said there of
// order and growth.
//
// # Costs
//
// With n rows a change takes O(log f) time for each field that it writes, with f the fields
// of the row, and O(log n) for each Set that it changes; a Set by Where is found at once,
// one by Match is asked at each change. Reads wait for no writer. A row takes about 290
// bytes and its name, each field 60 bytes, its name and its value, and each Set 30 bytes for
// each of its rows. A deleted row keeps 200 bytes and its name, because older changes may
// still arrive.
package doc
