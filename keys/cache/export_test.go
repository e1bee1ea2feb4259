package cache

// TestOnlyKept counts the answers that are kept.
func (c *Cache) TestOnlyKept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known) + len(c.unknown)
}
