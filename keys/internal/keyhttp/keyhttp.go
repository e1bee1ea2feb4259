// Package keyhttp holds what the key server and its client have in common.
package keyhttp

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// PathList is the signed list of admitted ids.
	PathList = "/v1/list"
	// PathKeys is the keys; one of them is below it, by id.
	PathKeys = "/v1/keys"

	// MaxBatch is how many ids go into one request.
	MaxBatch = 256
	// MaxRequest bounds a request's body, in bytes: MaxBatch ids of 46 letters.
	MaxRequest = MaxBatch * 64
	// MaxAnswer bounds the keys in an answer, in bytes: MaxBatch RSA-4096 keys.
	MaxAnswer = MaxBatch * 768
)

// ETag returns that of a signed list. The client does not take the server's word for it.
func ETag(signed []byte) string {
	sum := sha256.Sum256(signed)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
