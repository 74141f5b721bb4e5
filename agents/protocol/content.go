package protocol

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// Content is what a host is served, and a part of it. If that has no more of what was asked for, it is from the
// beginning of what there is now.
type Content struct {
	Version uint64 `json:"version"`
	Path    string `json:"path"`   // of the file that it becomes, from the root of the host's disk
	Digest  string `json:"digest"` // of the whole: "sha256:" and 64 hexadecimal digits
	Size    int64  `json:"size"`   // of the whole, in bytes

	Offset int64  `json:"offset,omitempty"` // of Data in the whole
	Sum    uint32 `json:"sum"`              // CRC-32 of Data, as Ethernet has it
	Data   []byte `json:"data"`             // MaxPart bytes, or all up to the end
}

// Sum is Content.Sum of the data.
func Sum(data []byte) uint32 { return crc32.ChecksumIEEE(data) }

// Check tells what is wrong with a part that was asked for from an offset on, of content that is what its first part
// said.
func (c *Content) Check(first *Content, offset int64) error {
	switch {
	case c.Version != first.Version || c.Path != first.Path || c.Digest != first.Digest || c.Size != first.Size:
		return fmt.Errorf("it is of other content: version %d, %s of %d bytes", c.Version, c.Digest, c.Size)
	case c.Size < 1 || c.Size > MaxContent:
		return fmt.Errorf("it is of content of %d bytes, at most %d", c.Size, MaxContent)
	case c.Offset != offset || offset < 0 || offset >= c.Size:
		return fmt.Errorf("it begins at byte %d of %d", c.Offset, c.Size)
	case int64(len(c.Data)) != min(MaxPart, c.Size-offset):
		return fmt.Errorf("it has %d bytes from byte %d of %d on", len(c.Data), offset, c.Size)
	case c.Sum != Sum(c.Data):
		return errors.New("its bytes are not those that were sent")
	}
	return nil
}
