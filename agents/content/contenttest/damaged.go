package contenttest

import (
	"bytes"
	"crypto/ed25519"
	"math/rand/v2"
)

// Damaged returns a copy of a signed file with one bit of the payload flipped after signing, as a bad disk or a broken download
// does; seed decides which.
func Damaged(file []byte, seed uint64) []byte {
	const header = 20 // bytes
	chance := rand.New(rand.NewPCG(seed, 0))
	out := bytes.Clone(file)
	out[header+chance.IntN(len(file)-ed25519.SignatureSize-header)] ^= 1 << chance.IntN(8)
	return out
}
