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
