package main

// feedChanges makes what feeds read from updates.
func (c *corpus) feedChanges() {
	for name, b := range map[string]string{
		"push": "\x01item", "push-nothing": "\x01", "remove": "\x02\x00\x00\x00\x00\x00\x00\x00\x01",
	} {
		c.good("feed-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00item", "operation-3": "\x03item", "remove-0": "\x02\x00\x00\x00\x00\x00\x00\x00\x00",
		"remove-cut-short": "\x02\x00\x00\x00\x00\x00\x00\x00", "remove-and-a-byte": "\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00",
	} {
		c.bad("feed-change", name, []byte(b))
	}
}
