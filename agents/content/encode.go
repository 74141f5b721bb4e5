package content

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
)

const (
	magic      = "FFCH"
	format     = 1
	headerSize = 20 // magic, format, flags, version and payload length
)

// Encode returns the file without its signature, ready for [Sign]. It refuses what the format cannot hold or its limits
// forbid, naming the template or instance. Equal files give equal bytes.
func Encode(f File) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("encode content version %d: %w", f.Version, err)
	}
	body := appendFile(nil, f)
	if size := len(body) + ed25519.SignatureSize; size > MaxFile {
		return nil, fmt.Errorf("encode content version %d: a file of %d bytes, want at most %d", f.Version, size, MaxFile)
	}
	return body, nil
}

func (f File) check() error {
	if n := len(f.Templates); n > MaxTemplates {
		return fmt.Errorf("%d templates, want at most %d", n, MaxTemplates)
	}
	if n := len(f.Instances); n > MaxInstances {
		return fmt.Errorf("%d instances, want at most %d", n, MaxInstances)
	}
	c := newChecker()
	for _, t := range f.Templates {
		if err := c.template(t); err != nil {
			return err
		}
	}
	for _, in := range f.Instances {
		if err := c.instance(in); err != nil {
			return err
		}
	}
	return nil
}

// appendFile and the functions that it calls check nothing, so that a fault can write what Encode refuses.
func appendFile(b []byte, f File) []byte {
	payload := binary.LittleEndian.AppendUint16(nil, uint16(len(f.Templates)))
	for _, t := range f.Templates {
		payload = appendTemplate(payload, t)
	}
	payload = binary.LittleEndian.AppendUint16(payload, uint16(len(f.Instances)))
	for _, in := range f.Instances {
		payload = appendInstance(payload, in)
	}
	b = appendHeader(b, f.Version, len(payload))
	return append(b, payload...)
}

func appendHeader(b []byte, version uint64, payloadLen int) []byte {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, format)
	b = binary.LittleEndian.AppendUint16(b, 0) // flags
	b = binary.LittleEndian.AppendUint64(b, version)
	return binary.LittleEndian.AppendUint32(b, uint32(payloadLen))
}

func appendTemplate(b []byte, t Template) []byte {
	b = binary.LittleEndian.AppendUint16(b, t.ID)
	b = appendString8(b, t.Name)
	b = append(b, uint8(len(t.Fields)))
	for _, name := range t.Fields {
		b = appendString8(b, name)
	}
	return b
}

func appendInstance(b []byte, in Instance) []byte {
	b = binary.LittleEndian.AppendUint32(b, in.ID)
	b = binary.LittleEndian.AppendUint16(b, in.TemplateID)
	b = append(b, uint8(in.Action))
	b = appendString8(b, in.Name)
	b = append(b, uint8(len(in.Criteria)))
	for _, c := range in.Criteria {
		b = appendCriterion(b, c)
	}
	return b
}

func appendCriterion(b []byte, c Criterion) []byte {
	b = append(b, uint8(c.Op))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(c.Value)))
	return append(b, c.Value...)
}

func appendString8(b []byte, s string) []byte {
	return append(append(b, uint8(len(s))), s...)
}
