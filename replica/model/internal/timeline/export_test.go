package timeline

// Waiting returns how many entries wait for their end.
func (l *Line[Value]) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends.Len()
}

// Unread returns how many entries have a follower who has not come to them.
func (l *Line[Value]) Unread() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.read().from(0) {
		if e.cell != nil {
			n++
		}
	}
	return n
}
