package test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every length around the ends of a block, in two parts.
func testSHA512(t *testing.T, d *driver) {
	message := bytes.Repeat([]byte("fleetfall"), 60)
	for n := range 400 {
		want := sha512.Sum512(message[:n])
		if got := d.ask("sha512 %s", hexed(message[:n])); got != hexed(want[:]) {
			t.Errorf("%d bytes: %s, want %x", n, got, want)
		}
	}
}

// RFC 8032, 7.1: TEST 1, 2, 3 and SHA(abc).
func testRFC8032(t *testing.T, d *driver) {
	for _, c := range []struct{ key, message, signature string }{
		{
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		}, {
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		}, {
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
		}, {
			"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
			"dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
		},
	} {
		message := c.message
		if message == "" {
			message = "-"
		}
		if got := d.ask("verify %s %s %s", c.signature, message, c.key); got != "1" {
			t.Errorf("key %s: %s, want 1", c.key, got)
		}
	}
}

// Random keys and messages, and each signature again with one bit of it, the message or the key flipped.
func testSignatures(t *testing.T, d *driver) {
	chance := rand.New(rand.NewPCG(8032, 0))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(chance.IntN(256))
		}
		return b
	}
	for i := range 150 {
		private := ed25519.NewKeyFromSeed(random(32))
		key := []byte(private.Public().(ed25519.PublicKey))
		message := random(1 + chance.IntN(300))
		signature := ed25519.Sign(private, message)
		if got := d.ask("verify %s %s %s", hexed(signature), hexed(message), hexed(key)); got != "1" {
			t.Fatalf("signature %d: %s, want 1", i, got)
		}
		for _, part := range [][]byte{signature[:32], signature[32:], message, key} {
			bit := chance.IntN(8 * len(part))
			part[bit/8] ^= 1 << (bit % 8)
			if ed25519.Verify(key, message, signature) {
				t.Fatalf("signature %d: the standard library accepts a forgery", i)
			}
			if got := d.ask("verify %s %s %s", hexed(signature), hexed(message), hexed(key)); got != "0" {
				t.Errorf("signature %d with bit %d of a part of %d bytes flipped: %s, want 0", i, bit, len(part), got)
			}
			part[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// Signatures and keys that satisfy the equation, or might, and are not to be accepted: RFC 8032, 5.1.3 and 5.1.7.
func testInvalidSignatures(t *testing.T, d *driver) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	key := []byte(private.Public().(ed25519.PublicKey))
	message := []byte("message")
	good := ed25519.Sign(private, message)
	order, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

	plusOrder := func(times int64) []byte {
		s := fromLittleEndian(good[32:])
		s.Add(s, new(big.Int).Mul(order, big.NewInt(times)))
		return append(bytes.Clone(good[:32]), littleEndian(s)...)
	}
	// With the neutral element as the key, R = S B holds for any message; with S = 0 and R = the neutral element too.
	neutral := littleEndian(big.NewInt(1))
	trivial := append(bytes.Clone(neutral), make([]byte, 32)...)
	signBit := func(b []byte) []byte { b = bytes.Clone(b); b[31] |= 0x80; return b }
	for _, c := range []struct {
		name           string
		signature, key []byte
		want           string
	}{
		{"as it was made", good, key, "1"},
		{"S + L", plusOrder(1), key, "0"},
		{"S + 2 L", plusOrder(2), key, "0"},
		{"S + 8 L", plusOrder(8), key, "0"},
		{"S = L", append(bytes.Clone(neutral), littleEndian(order)...), neutral, "0"},
		{"all ones", bytes.Repeat([]byte{0xff}, 64), key, "0"},
		{"all zeros", make([]byte, 64), key, "0"},
		{"neutral key", trivial, neutral, "1"},
		{"neutral key with y = p + 1", trivial, littleEndian(new(big.Int).Add(p, big.NewInt(1))), "0"},
		{"neutral key with x = -0", trivial, signBit(neutral), "0"},
		{"neutral R with y = p + 1", append(littleEndian(new(big.Int).Add(p, big.NewInt(1))), make([]byte, 32)...), neutral, "0"},
		{"neutral R with x = -0", append(signBit(neutral), make([]byte, 32)...), neutral, "0"},
		{"key that is no point", good, littleEndian(big.NewInt(2)), "0"},
		{"key of ones", good, bytes.Repeat([]byte{0xff}, 32), "0"},
		{"key with the other x", good, signBitFlipped(key), "0"},
	} {
		if got := d.ask("verify %s %s %s", hexed(c.signature), hexed(message), hexed(c.key)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	// Keys near both ends of the field: some are points, among them two of small order, and most are not.
	for y := range int64(60) {
		for _, n := range []*big.Int{big.NewInt(y), new(big.Int).Sub(p, big.NewInt(y+1))} {
			key := littleEndian(n)
			want := "0"
			if ed25519.Verify(key, message, trivial) {
				want = "1"
			}
			if got := d.ask("verify %s %s %s", hexed(trivial), hexed(message), hexed(key)); got != want {
				t.Errorf("key %s: %s, want %s", hex.EncodeToString(key), got, want)
			}
		}
	}
}

func signBitFlipped(key []byte) []byte {
	b := bytes.Clone(key)
	b[31] ^= 0x80
	return b
}

func fromLittleEndian(b []byte) *big.Int {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// littleEndian is n, less than 2^256, in 32 bytes.
func littleEndian(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}
