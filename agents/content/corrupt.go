package content

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Unsigned returns a copy of a signed file with zeros in the place of the signature. It is an error for the file to be
// too short to hold one.
func Unsigned(file []byte) ([]byte, error) {
	at, err := signatureOffset(file)
	if err != nil {
		return nil, fmt.Errorf("remove the signature: %w", err)
	}
	out := slices.Clone(file)
	clear(out[at:])
	return out, nil
}

// Damaged returns a copy of a signed file with one bit of one byte of the payload flipped after signing, as a bad disk
// or a broken download does; seed decides which. It is an error for the file to have no payload.
func Damaged(file []byte, seed uint64) ([]byte, error) {
	at, err := signatureOffset(file)
	if err != nil {
		return nil, fmt.Errorf("damage the payload: %w", err)
	}
	if at == headerSize {
		return nil, fmt.Errorf("damage the payload: %w", wrong(headerSize, "there is no payload"))
	}
	chance := rand.New(rand.NewPCG(seed, 0))
	out := slices.Clone(file)
	out[headerSize+chance.IntN(at-headerSize)] ^= 1 << chance.IntN(8)
	return out, nil
}

func signatureOffset(file []byte) (int, error) {
	if least := headerSize + ed25519.SignatureSize; len(file) < least {
		return 0, wrong(len(file), "the file ends here; a header and a signature take %d bytes", least)
	}
	return len(file) - ed25519.SignatureSize, nil
}
