package main

// valueChanges makes changes of replica/model/value.
func (c *corpus) valueChanges() {
	c.good("value-change", "set", []byte("\x01value"))
	c.good("value-change", "set-empty", []byte("\x01"))
	for name, b := range map[string]string{"nothing": "", "operation-0": "\x00value", "operation-2": "\x02value", "json": `{"value":1}`} {
		c.bad("value-change", name, []byte(b))
	}
}
