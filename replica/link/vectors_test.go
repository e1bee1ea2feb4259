package link

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// linkVector is an entry of testdata/vectors/links.json.
type linkVector struct {
	Name         string
	Class, Check string
	Certificates []string
	Version      uint16
	ALPN         string
	Resumed      bool
	Now          int64 `json:",string"`
	Self, Want   string
	Means        *struct{ ID string }
}

// vectorReasons are the reasons for which links of a class are refused.
var vectorReasons = map[string]Reason{
	"protocol": ReasonProtocol, "certificate": ReasonCertificate, "proof": ReasonProof, "own-id": ReasonOwnID, "wrong-id": ReasonWrongID,
}

// vectorTexts is what our errors say of each check in docs/protocol.md.
var vectorTexts = map[string]string{
	"link.resumed": "resumed a TLS session", "link.none": "without a certificate", "link.extension": "extension", "link.critical": "unknown critical extension",
	"link.one": "shows 2 certificates", "link.ed25519": "not ed25519", "link.self-signed": "not signed by its own key", "link.form": "is malformed",
	"link.range": "out of range", "link.key": "key", "link.expired": "ran out", "link.lifetime": "more than 168h", "link.signature": "bad signature",
	"link.protocol": "but not hearsay/1", "link.own-id": "this node itself", "link.wrong-id": "asked for",
}

// TestVectors has the vectors for other implementations judged as a handshake is.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/links.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Good, Bad []linkVector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Good) < 5 || len(file.Bad) < 20 {
		t.Fatalf("%d good links, %d bad ones", len(file.Good), len(file.Bad))
	}
	for _, v := range file.Good {
		k, err := v.judge(t)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if id := k.ID(); hex.EncodeToString(id[:]) != v.Means.ID {
			t.Errorf("%s: it is %v", v.Name, id)
		}
	}
	for _, v := range file.Bad {
		_, err := v.judge(t)
		he, ok := errors.AsType[*HandshakeError](err)
		if want := vectorReasons[v.Class]; !ok || want == 0 || he.Reason != want {
			t.Errorf("%s: got %v, want a link refused for %v", v.Name, err, want)
		} else if text := vectorTexts[v.Check]; text == "" || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error %q is not about %s", v.Name, err, v.Check)
		}
	}
}

func (v linkVector) judge(t *testing.T) (keys.PublicKey, error) {
	t.Helper()
	e := &Endpoint{cfg: Config{Now: func() time.Time { return time.Unix(0, v.Now) }}}
	var want keys.NodeID
	var err error
	if e.id, err = keys.ParseNodeID(v.Self); err != nil {
		t.Fatal(err)
	}
	if v.Want != "" {
		if want, err = keys.ParseNodeID(v.Want); err != nil {
			t.Fatal(err)
		}
	}
	cs := tls.ConnectionState{Version: v.Version, NegotiatedProtocol: v.ALPN, DidResume: v.Resumed}
	for _, digits := range v.Certificates {
		der, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil { // two extensions of one kind: crypto/tls stops here
			return keys.PublicKey{}, refuse(ReasonCertificate, "%w", err)
		}
		cs.PeerCertificates = append(cs.PeerCertificates, c)
	}
	return e.verify(cs, want)
}
