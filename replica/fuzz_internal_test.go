package replica

import (
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// FuzzStanding reads what is stored of how the keystore spoke.
func FuzzStanding(f *testing.F) {
	fuzztest.Decoder[standing]{Corpus: "standing", Decode: decodeStanding, Encode: standing.encode}.Fuzz(f)
}
