package wire

// TestOnlyOpen is Open without a signature check.
func (u *UnverifiedProof) TestOnlyOpen() *Proof {
	return &Proof{proof: u.proof, hashes: [2][]Hash{u.chains[0].hashes(), u.chains[1].hashes()}}
}

// ParseAs parses body as a statement of the kind of s.
func ParseAs(s Statement, topic string, body []byte) (Unverified, error) {
	return ParseStatement(frameOf(s), topic, body)
}
