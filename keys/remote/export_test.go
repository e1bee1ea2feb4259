package remote

import "github.com/hearsaynet/hearsay/keys"

// TestOnlyForget forgets the key of an id.
func (s *Store) TestOnlyForget(id keys.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}
