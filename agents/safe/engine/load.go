package engine

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	magic      = "FFCH"
	format     = 1
	headerSize = 20 // magic, format, flags, version and payload length
)

// Why content is refused, in the words of ff_refusal in agents/interpreter.
var (
	errTooShort  = errors.New("too short for a channel file")
	errTooLong   = errors.New("longer than a channel file may be")
	errMagic     = errors.New("not a channel file")
	errFormat    = errors.New("unknown format or flags")
	errSignature = errors.New("signature is not the vendor's")
	errLength    = errors.New("a length does not agree with the file's size")
	errTemplate  = errors.New("malformed template")
	errInstance  = errors.New("malformed instance")
	errCriterion = errors.New("malformed criterion")
	errTooMany   = errors.New("too many templates or instances")
)

// ReadFile reads a file as far as it may be content, and one byte more, which shows that it is too long.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, content.MaxFile+1))
}

// Load verifies the signature with the vendor's public key and reads the file. The result need not be one that
// content.Encode would take: the package's documentation says what is not checked. A glob without a wildcard is loaded as
// the cheaper comparison. The error is one line.
func Load(file []byte, key ed25519.PublicKey) (f content.File, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			f, err = content.File{}, fmt.Errorf("malformed: %v", cause)
		}
	}()
	switch {
	case len(file) < headerSize+ed25519.SignatureSize:
		return content.File{}, errTooShort
	case len(file) > content.MaxFile:
		return content.File{}, errTooLong
	}
	body := file[:len(file)-ed25519.SignatureSize]
	if !ed25519.Verify(key, body, file[len(body):]) {
		return content.File{}, errSignature
	}
	// A string has nothing behind its end; a slice has what its capacity leaves there. What is loaded shares its memory.
	r := &reader{text: string(file), left: headerSize}
	if string(r.take(len(magic))) != magic {
		return content.File{}, errMagic
	}
	if r.number(2) != format || r.number(2) != 0 {
		return content.File{}, errFormat
	}
	f.Version = r.number(8)
	r.left = int(r.number(4)) // the payload's length, which the signature covers
	if r.payload(&f); r.err != nil {
		return content.File{}, r.err
	}
	return f, nil
}

// A reader reads a file from its beginning. After the first error it reads nothing.
type reader struct {
	text string
	at   int // of the next byte
	left int // bytes that may still be read
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) take(n int) string {
	if r.left < n {
		r.fail(errLength)
	}
	if r.err != nil {
		return ""
	}
	taken := r.text[r.at : r.at+n]
	r.at += n
	r.left -= n
	return taken
}

// number reads a number of so many bytes, the lowest first.
func (r *reader) number(bytes int) uint64 {
	var v uint64
	for i, b := range []byte(r.take(bytes)) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// name reads a name of 1 to content.MaxName bytes; bad is the error if it is not.
func (r *reader) name(bad error) string {
	n := int(r.number(1))
	if n == 0 || n > content.MaxName {
		r.fail(bad)
	}
	return r.take(n)
}

func (r *reader) payload(f *content.File) {
	n := int(r.number(2))
	if n > content.MaxTemplates {
		r.fail(errTooMany)
	}
	for len(f.Templates) < n && r.err == nil {
		f.Templates = append(f.Templates, r.template(f.Templates))
	}
	n = int(r.number(2))
	for len(f.Instances) < n && r.err == nil {
		f.Instances = append(f.Instances, r.instance(f.Templates))
	}
	// What is left then is the vendor's padding.
}

func hasID(id uint16) func(content.Template) bool {
	return func(t content.Template) bool { return t.ID == id }
}

// template reads the template that follows those before it.
func (r *reader) template(before []content.Template) content.Template {
	t := content.Template{ID: uint16(r.number(2))}
	if slices.ContainsFunc(before, hasID(t.ID)) {
		r.fail(errTemplate)
	}
	t.Name = r.name(errTemplate)
	n := int(r.number(1))
	if n == 0 || n > content.MaxFields {
		r.fail(errTemplate)
	}
	for len(t.Fields) < n && r.err == nil {
		t.Fields = append(t.Fields, r.name(errTemplate))
	}
	return t
}

func (r *reader) instance(templates []content.Template) content.Instance {
	in := content.Instance{ID: uint32(r.number(4)), TemplateID: uint16(r.number(2)), Action: content.Action(r.number(1))}
	template := slices.IndexFunc(templates, hasID(in.TemplateID))
	if in.Action > content.Inspect || template < 0 {
		r.fail(errInstance)
	}
	in.Name = r.name(errInstance)
	n := int(r.number(1))
	if r.err == nil && n != len(templates[template].Fields) {
		r.fail(errInstance)
	}
	if r.err != nil {
		return in
	}
	in.Criteria = make([]content.Criterion, n)
	for i := range in.Criteria {
		in.Criteria[i] = r.criterion()
	}
	return in
}

// criterion reads a criterion; of a group it reads nothing but how long it is.
func (r *reader) criterion() content.Criterion {
	c := content.Criterion{Op: content.Op(r.number(1))}
	n := int(r.number(2))
	if c.Op > content.AllOfOp || c.Op == content.Any && n > 0 {
		r.fail(errCriterion)
	}
	c.Value = r.take(n)
	if c.Op == content.Glob && !strings.ContainsAny(c.Value, "*?") {
		c.Op = content.Equals
	}
	return c
}
