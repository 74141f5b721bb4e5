package content

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
)

// A FormatError says where a file departs from the format.
type FormatError struct {
	Offset int    // in bytes from the start of the file, of the field or of the piece that is wrong
	What   string // in words
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("channel file, byte %d: %s", e.Offset, e.What)
}

func wrong(offset int, format string, args ...any) *FormatError {
	return &FormatError{Offset: offset, What: fmt.Sprintf(format, args...)}
}

// Decode reads a whole signed file and checks it against the format and its limits, but not the signature: see
// [Verify]. Its error is a [*FormatError]. What it accepts, agents/interpreter accepts too, if it is signed.
func Decode(file []byte) (File, error) {
	if least := headerSize + ed25519.SignatureSize; len(file) < least {
		return File{}, wrong(len(file), "the file ends here; a header and a signature take %d bytes", least)
	}
	if len(file) > MaxFile {
		return File{}, wrong(MaxFile, "the file goes on to %d bytes, want at most %d", len(file), MaxFile)
	}
	version, err := Version(file)
	if err != nil {
		return File{}, err
	}
	if got := binary.LittleEndian.Uint16(file[4:]); got != format {
		return File{}, wrong(4, "unknown format %d, want %d", got, format)
	}
	if flags := binary.LittleEndian.Uint16(file[6:]); flags != 0 {
		return File{}, wrong(6, "unknown flags %#04x, want 0", flags)
	}
	body := file[:len(file)-ed25519.SignatureSize]
	if said := binary.LittleEndian.Uint32(file[16:]); int64(said) != int64(len(body)-headerSize) {
		return File{}, wrong(16, "the payload is said to have %d bytes, the file holds %d", said, len(body)-headerSize)
	}
	d := &decoder{body: body, offset: headerSize}
	f := File{Version: version, Templates: d.templates()}
	f.Instances = d.instances(f.Templates)
	if d.err == nil && d.offset < len(body) {
		d.fail(wrong(d.offset, "%d bytes are left over after the last instance", len(body)-d.offset))
	}
	if d.err != nil {
		return File{}, d.err
	}
	return f, nil
}

// Version returns the version that a file's header states, whatever its format: each has the version in the same place, so that
// who stores or refuses a file can name it. It reads no further than the header: neither the signature nor what follows
// need be right. Its error, a [*FormatError], is that this is no channel file of any format.
func Version(file []byte) (uint64, error) {
	if len(file) < headerSize {
		return 0, wrong(len(file), "the file ends here; a header takes %d bytes", headerSize)
	}
	if got := string(file[:len(magic)]); got != magic {
		return 0, wrong(0, "not a channel file: it begins with %q, want %q", got, magic)
	}
	return binary.LittleEndian.Uint64(file[8:]), nil
}

// A decoder reads a payload from its beginning. After the first error it reads nothing but zeros.
type decoder struct {
	body   []byte // header and payload
	offset int    // of the next byte
	err    error
}

func (d *decoder) fail(err *FormatError) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) take(n int, what string) []byte {
	if d.err == nil && len(d.body)-d.offset < n {
		d.fail(wrong(d.offset, "%s of %d bytes reaches past the payload's end at byte %d", what, n, len(d.body)))
	}
	if d.err != nil {
		return make([]byte, n)
	}
	b := d.body[d.offset : d.offset+n]
	d.offset += n
	return b
}

func (d *decoder) uint8(what string) uint8   { return d.take(1, what)[0] }
func (d *decoder) uint16(what string) uint16 { return binary.LittleEndian.Uint16(d.take(2, what)) }
func (d *decoder) uint32(what string) uint32 { return binary.LittleEndian.Uint32(d.take(4, what)) }

// check fails at this offset if err is not nil. The parts that say how much follows are checked as they are read:
// behind a wrong one all else would look wrong too.
func (d *decoder) check(offset int, err error) {
	if err != nil {
		d.fail(wrong(offset, "%v", err))
	}
}

func (d *decoder) name(what string) string {
	at := d.offset
	n := d.uint8("the length of " + what)
	name := string(d.take(int(n), what))
	if err := checkName(name); err != nil {
		d.fail(wrong(at, "%s: %v", what, err))
	}
	return name
}

// count reads how many pieces follow, at most limit.
func (d *decoder) count(what string, limit int) int {
	at := d.offset
	n := int(d.uint16("the number of " + what))
	if n > limit {
		d.fail(wrong(at, "%d %s, want at most %d", n, what, limit))
		return 0
	}
	return n
}

func (d *decoder) templates() []Template {
	n := d.count("templates", MaxTemplates)
	checker := newChecker()
	var all []Template
	for range n {
		at := d.offset
		t := Template{ID: d.uint16("a template's id"), Name: d.name("a template's name")}
		countAt := d.offset
		fields := d.uint8("the number of fields")
		d.check(countAt, checkFieldCount(t.ID, int(fields)))
		for range fields {
			t.Fields = append(t.Fields, d.name("a field's name"))
		}
		d.check(at, checker.template(t))
		if d.err != nil {
			return nil
		}
		all = append(all, t)
	}
	return all
}

func (d *decoder) instances(templates []Template) []Instance {
	n := d.count("instances", MaxInstances)
	checker := newChecker()
	for _, t := range templates {
		checker.fieldCounts[t.ID] = len(t.Fields)
	}
	var all []Instance
	for range n {
		at := d.offset
		in := Instance{
			ID:         d.uint32("an instance's id"),
			TemplateID: d.uint16("an instance's template"),
			Action:     Action(d.uint8("an instance's action")),
			Name:       d.name("an instance's name"),
		}
		countAt := d.offset
		criteria := d.uint8("the number of criteria")
		d.check(countAt, checker.criteriaCount(in.ID, in.TemplateID, int(criteria)))
		for range criteria {
			in.Criteria = append(in.Criteria, d.criterion())
		}
		d.check(at, checker.instance(in))
		if d.err != nil {
			return nil
		}
		all = append(all, in)
	}
	return all
}

func (d *decoder) criterion() Criterion {
	op := Op(d.uint8("a criterion's operator"))
	n := d.uint16("the length of a criterion's value")
	return Criterion{Op: op, Value: string(d.take(int(n), "a criterion's value"))}
}
