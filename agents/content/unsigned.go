package content

import (
	"crypto/ed25519"
	"fmt"
	"slices"
)

// Unsigned returns a copy of a signed file with zeros in the place of the signature. It is an error for the file to be
// too short to hold one.
func Unsigned(file []byte) ([]byte, error) {
	if least := headerSize + ed25519.SignatureSize; len(file) < least {
		return nil, fmt.Errorf("remove the signature: %w",
			wrong(len(file), "the file ends here; a header and a signature take %d bytes", least))
	}
	out := slices.Clone(file)
	clear(out[len(out)-ed25519.SignatureSize:])
	return out, nil
}
