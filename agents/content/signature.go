package content

import (
	"crypto/ed25519"
	"errors"
	"slices"
)

// ErrSignature is returned by [Verify].
var ErrSignature = errors.New("channel file: the signature is not the vendor's")

// Sign returns the channel file of this body: the body and the vendor's signature over it. It does not look at the
// body: what a vendor signs need not be right.
func Sign(body []byte, key ed25519.PrivateKey) []byte {
	return slices.Concat(body, ed25519.Sign(key, body))
}

// Verify tells whether a channel file bears the vendor's signature. Its error is a [*FormatError] for a file too short
// to hold one, else [ErrSignature]. It does not look at what is signed: see [Decode].
func Verify(file []byte, key ed25519.PublicKey) error {
	if least := headerSize + ed25519.SignatureSize; len(file) < least {
		return wrong(len(file), "the file ends here; a header and a signature take %d bytes", least)
	}
	body := file[:len(file)-ed25519.SignatureSize]
	if !ed25519.Verify(key, body, file[len(body):]) {
		return ErrSignature
	}
	return nil
}

// TestVendorKey returns the key pair of the testbed's vendor. It is no secret: it is derived from a text in this
// function, so that images and content made on different machines agree. No agent outside a testbed may trust it.
func TestVendorKey() (ed25519.PublicKey, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed([]byte("fleetfall test vendor, no secret"))
	return private.Public().(ed25519.PublicKey), private
}
