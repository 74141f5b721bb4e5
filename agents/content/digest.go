package content

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// ChannelPath is where a host keeps its newest channel file, from the root of its disk: what an agent loads.
const ChannelPath = "content/current.bin"

// Digest names a file by what is in it: "sha256:" and 64 hexadecimal digits.
func Digest(file []byte) string {
	digest, _, _ := DigestOf(bytes.NewReader(file)) // memory can be read
	return digest
}

// DigestOf is the digest of a file that is read, and its size in bytes.
func DigestOf(file io.Reader) (digest string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, file)
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), size, err
}
