package sign

import (
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// checkPlain reads the private part of an unencrypted OpenSSH file (PROTOCOL.key,
// section 3) so far as to check its public numbers against pub, which has been
// admitted, before any mathematics. It returns the comment.
func checkPlain(env envelope, pub keys.PublicKey) (comment string, err error) {
	damaged := fmt.Errorf("%w: its private part is damaged or belongs to another key", ErrMalformed)
	if env.KDFOptions != "" {
		return "", damaged
	}
	var head struct {
		Check1, Check2 uint32
		Type           string
		Rest           []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(env.Private, &head) != nil || head.Check1 != head.Check2 || head.Type != pub.Type() {
		return "", damaged
	}
	var public []byte
	switch head.Type {
	case keys.TypeEd25519:
		var p struct {
			Public, Private []byte
			Comment         string
			Padding         []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(head.Rest, &p) != nil {
			return "", damaged
		}
		comment = p.Comment
		public = ssh.Marshal(struct {
			Type  string
			Point []byte
		}{head.Type, p.Public})
	case keys.TypeRSA:
		var p struct {
			N, E, D, QInv, P, Q []byte
			Comment             string
			Padding             []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(head.Rest, &p) != nil {
			return "", damaged
		}
		comment = p.Comment
		public = ssh.Marshal(struct {
			Type string
			E, N []byte
		}{head.Type, p.E, p.N})
	}
	if string(public) != string(pub.Wire()) {
		return "", damaged
	}
	return comment, nil
}
