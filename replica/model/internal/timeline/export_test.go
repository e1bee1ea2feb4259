package timeline

// Waiting returns how many entries wait for their end.
func (l *Line[Value]) Waiting() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ends.Len()
}

// Unread returns how many entries have a follower who has not come to them.
func (l *Line[Value]) Unread() (n int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for e := range l.state.Now().byTime.From(0) {
		if e.cell != nil {
			n++
		}
	}
	return n
}
