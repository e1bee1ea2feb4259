package verify

// TestOnlyOccupy takes all workers until release is called.
func (p *Pipeline) TestOnlyOccupy() (release func()) {
	for range cap(p.workers) {
		p.workers <- struct{}{}
	}
	return func() {
		for range cap(p.workers) {
			<-p.workers
		}
	}
}

// TestOnlyAuthors counts the authors that the pipeline holds something of.
func (p *Pipeline) TestOnlyAuthors() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.authors)
}

// TestOnlyPlant plants defects, by their names.
var TestOnlyPlant = map[string]func(*Config){
	"retry lost":        func(c *Config) { c.testOnly.retryLost = true },
	"outage rejects":    func(c *Config) { c.testOnly.outageRejects = true },
	"wrong key rejects": func(c *Config) { c.testOnly.wrongKeyRejects = true },
}
