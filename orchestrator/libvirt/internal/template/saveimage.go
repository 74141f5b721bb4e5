package template

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A save image is what libvirt keeps a suspended domain in, and restores it from: a header, the domain's XML, and
// QEMU's migration stream. Writing one ourselves is how a copy of a template gets a name, a UUID and devices of its
// own.
//
// The layout is that of struct _virQEMUSaveHeader in libvirt's src/qemu/qemu_saveimage.h, in the machine's byte order.
const (
	saveMagic   = "LibvirtQemudSave"
	saveVersion = 2
	saveHeader  = len(saveMagic) + 19*4 // magic; version, length of XML, was running, compression, cookie; 14 unused
	MaxSaveXML  = 1 << 20               // bytes
	MaxState    = 16 << 20              // bytes of a stream without the guest's memory; a tiny image's is 0.4 MB
)

// AppendSaveImage appends the image of a domain that stands still.
func AppendSaveImage(dst []byte, xml string, state []byte) []byte {
	header := make([]byte, saveHeader)
	copy(header, saveMagic)
	binary.NativeEndian.PutUint32(header[16:], saveVersion)
	binary.NativeEndian.PutUint32(header[20:], uint32(len(xml)+1))
	dst = append(dst, header...)
	dst = append(append(dst, xml...), 0)
	return append(dst, state...)
}

// SavedState returns the migration stream of a save image that libvirt wrote.
func SavedState(image []byte) ([]byte, error) {
	if len(image) < saveHeader || string(image[:len(saveMagic)]) != saveMagic {
		return nil, errors.New("not a libvirt save image")
	}
	version, xml := binary.NativeEndian.Uint32(image[16:]), binary.NativeEndian.Uint32(image[20:])
	if version != saveVersion {
		return nil, fmt.Errorf("save image of version %d, want %d", version, saveVersion)
	}
	if compressed := binary.NativeEndian.Uint32(image[28:]); compressed != 0 {
		return nil, errors.New("save image is compressed: set save_image_format = \"raw\" in libvirt's qemu.conf")
	}
	if xml > MaxSaveXML || int(xml) > len(image)-saveHeader {
		return nil, fmt.Errorf("save image with %d bytes of XML in %d bytes", xml, len(image))
	}
	return image[saveHeader+int(xml):], nil
}

// Parts of a migration stream: see QEMU's docs/devel/migration.rst, and migration/savevm.c and ram.c for what it
// leaves out.
const (
	streamMagic        = "QEVM"
	streamVersion      = 3
	sectionStart       = 0x01
	sectionSubsection  = 0x05
	sectionConfig      = 0x07
	capabilitiesName   = "configuration/capabilities"
	IgnoreShared       = "x-ignore-shared"
	ramSection         = "ram"
	ramVersion         = 4
	ramFlagSize        = 0x04
	ramFlagsMask       = 1<<12 - 1 // of a number that also holds an offset in whole pages
	maxStreamNameBytes = 255
)

// PrivateState turns the stream of a template into that of its copies. A template is saved with the capability
// x-ignore-shared, so that its memory, a shared file, stays out of the stream; QEMU then writes the capability's name,
// and each block's address behind its size. libvirt restores domains without that capability, and QEMU then expects
// neither. Pages that are not in a stream stay what they are, which in a copy is what the file holds.
//
// It returns an error for a stream that is not exactly as it knows it.
func PrivateState(state []byte) ([]byte, error) {
	r := &streamReader{data: state}
	if magic, version := r.take(4), r.uint32(); string(magic) != streamMagic || version != streamVersion {
		return nil, fmt.Errorf("not a migration stream of version %d", streamVersion)
	}
	r.expect(sectionConfig, "its configuration")
	r.take(int(min(r.uint32(), maxStreamNameBytes))) // the machine's type
	out := bytes.Clone(r.data[:r.at])
	r.expect(sectionSubsection, "its capabilities")
	if name := r.name(); name != capabilitiesName && r.err == nil {
		return nil, fmt.Errorf("migration stream with configuration %q, want %s", name, capabilitiesName)
	}
	r.uint32() // the subsection's version
	if n := r.uint32(); n != 1 && r.err == nil {
		return nil, fmt.Errorf("migration stream with %d capabilities, want one", n)
	}
	if name := r.name(); name != IgnoreShared && r.err == nil {
		return nil, fmt.Errorf("migration stream with capability %q, want %s", name, IgnoreShared)
	}

	from := r.at
	r.expect(sectionStart, "the guest's memory")
	r.uint32() // the section's number
	if name := r.name(); name != ramSection && r.err == nil {
		return nil, fmt.Errorf("migration stream begins with section %q, want %s", name, ramSection)
	}
	r.uint32() // the section's instance
	if version := r.uint32(); version != ramVersion && r.err == nil {
		return nil, fmt.Errorf("migration stream with memory of version %d, want %d", version, ramVersion)
	}
	total := r.uint64()
	if total&ramFlagsMask != ramFlagSize && r.err == nil {
		return nil, fmt.Errorf("migration stream whose memory begins with flags %#x, want %#x", total&ramFlagsMask, ramFlagSize)
	}
	out = append(out, state[from:r.at]...)
	for left := total &^ ramFlagsMask; left > 0 && r.err == nil; {
		from = r.at
		r.name()
		size := r.uint64()
		if (size == 0 || size > left) && r.err == nil {
			return nil, fmt.Errorf("migration stream with a block of %d bytes where %d are left", size, left)
		}
		left -= size
		out = append(out, state[from:r.at]...)
		r.uint64() // the block's address
	}
	if r.err != nil {
		return nil, r.err
	}
	return append(out, state[r.at:]...), nil
}

// A streamReader reads big-endian fields; after the first failure all are zero.
type streamReader struct {
	data []byte
	at   int
	err  error
}

func (r *streamReader) take(n int) []byte {
	if r.err == nil && n > len(r.data)-r.at {
		r.err = fmt.Errorf("migration stream ends after %d bytes", len(r.data))
	}
	if r.err != nil {
		return make([]byte, n)
	}
	r.at += n
	return r.data[r.at-n : r.at]
}

func (r *streamReader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *streamReader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *streamReader) name() string   { return string(r.take(int(r.take(1)[0]))) }

func (r *streamReader) expect(section byte, what string) {
	if got := r.take(1)[0]; got != section && r.err == nil {
		r.err = fmt.Errorf("migration stream with section %#x at %d, want %#x: %s", got, r.at-1, section, what)
	}
}
