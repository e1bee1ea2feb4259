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
