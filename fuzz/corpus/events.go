package main

// eventChanges makes what logs of events read from updates.
func (c *corpus) eventChanges() {
	for name, b := range map[string]string{
		"data": "\x01\x04namedata", "no-data": "\x01\x02\xc3\x9f", "until-1": "\x02\x00\x00\x00\x00\x00\x00\x00\x01\x03a.bdata",
		"until-2-63-less-1": "\x02\x7f\xff\xff\xff\xff\xff\xff\xff\x01n",
	} {
		c.good("event-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "no-name": "\x01\x00data", "cut-short": "\x01\x04nam", "control-character": "\x01\x01\x00", "bad-utf-8": "\x01\x01\xff",
		"operation-0": "\x00\x04name", "operation-3": "\x03\x04name", "until-0": "\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01n",
		"until-2-63": "\x02\x80\x00\x00\x00\x00\x00\x00\x00\x01n", "until-cut-short": "\x02\x00\x00\x00\x00\x00\x00\x01",
	} {
		c.bad("event-change", name, []byte(b))
	}
}
