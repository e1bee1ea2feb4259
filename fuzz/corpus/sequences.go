package main

import "strings"

// sequenceChanges makes what the ordered data models read from updates.
func (c *corpus) sequenceChanges() {
	c.listChanges()
	c.docChanges()
}

// listChanges makes changes of replica/model/list.
func (c *corpus) listChanges() {
	id := "\x12\x20" + strings.Repeat("a", 32) + "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01"
	insert, set := "\x01\x01\x80\x00\x00\x00\x01v", "\x02"+id+"\x00\x00\x00\x03new"
	remove, move := "\x03"+id, "\x04"+id+"\x02\x80\x01"
	for name, b := range map[string]string{
		"insert": insert, "insert-two": insert + insert, "insert-nothing": "\x01\x01\x80\x00\x00\x00\x00",
		"set": set, "remove": remove, "move": move, "all": insert + set + remove + move,
		"longest-position": "\x04" + id + "\xff" + strings.Repeat("\xff", 255),
	} {
		c.good("list-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00" + id, "operation-5": "\x05" + id, "no-position": "\x01\x00\x00\x00\x00\x00", "zero-at-the-end": "\x01\x02\x80\x00\x00\x00\x00\x00",
		"value-cut-short": "\x01\x01\x80\xff\xff\xff\xffv", "id-cut-short": remove[:40], "bytes-after": insert + "\x09", "seq-0": strings.Replace(remove, "\x07", "\x00", 1),
		"seq-2-63": "\x03" + id[:34] + "\x80" + id[35:], "index-65535": "\x03" + id[:42] + "\xff\xff", "identity-multihash": "\x03\x00" + id[1:],
		"json": `{"1":"a"}`,
	} {
		c.bad("list-change", name, []byte(b))
	}
}

// docChanges makes changes of replica/model/doc.
func (c *corpus) docChanges() {
	field := func(name, value string) string {
		return string(joinedByte(name)) + string(joined([]byte(value)))
	}
	for name, b := range map[string]string{
		"set": field("a", `"text"`) + field("b", `{"c":[1,true,null]}`), "set-nothing": "", "take-away": field("a", ""),
		"white-space": field("a", " [ 1 ] "), "not-ascii": field("ß", `"ß"`), "deepest": field("a", strings.Repeat("[", 64)+strings.Repeat("]", 64)),
		"position": field("_sort", `"80000000ff"`),
	} {
		c.good("doc-change", name, []byte("\x01\x03row"+b))
	}
	c.good("doc-change", "delete", []byte("\x02\x03row"))
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00\x03row", "operation-3": "\x03\x03row", "no-row": "\x01\x00", "row-cut-short": "\x01\x09row", "row-bad-utf-8": "\x01\x01\xff",
		"delete-with-field": "\x02\x03row" + field("a", "1"), "bad-json": "\x01\x03row" + field("a", "{"), "bad-utf-8": "\x01\x03row" + field("a", "\"\xff\""),
		"too-deep": "\x01\x03row" + field("a", strings.Repeat("[", 65)+strings.Repeat("]", 65)), "very-deep": "\x01\x03row" + field("a", strings.Repeat("[", 20000)),
		"twice": "\x01\x03row" + field("a", "1") + field("a", "2"), "not-in-order": "\x01\x03row" + field("b", "1") + field("a", "2"), "no-name": "\x01\x03row" + field("", "1"),
		"value-cut-short": "\x01\x03row\x01a\xff\xff\xff\xff1", "two-values": "\x01\x03row" + field("a", "1 2"), "json": `["row",{"a":1}]`,
	} {
		c.bad("doc-change", name, []byte(b))
	}
}

func joinedByte(s string) []byte { return append([]byte{byte(len(s))}, s...) }
