package timeline

// Waiting returns how many entries wait for their end.
func (l *Line[Value]) Waiting() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.ends.Len()
}
