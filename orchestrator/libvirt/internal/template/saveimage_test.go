package template

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A streamPart is a field of a migration stream, or several; those that are ours to drop are in a template's stream
// and not in its copies'.
type streamPart struct {
	name  string
	bytes string
	drop  bool
}

// templateStream is the beginning of what QEMU 7.2 writes with the capability x-ignore-shared, field by field, with two
// blocks of memory and a stand-in for all devices.
func templateStream() []streamPart {
	return []streamPart{
		{name: "magic", bytes: "QEVM"},
		{name: "version", bytes: "\x00\x00\x00\x03"},
		{name: "configuration", bytes: "\x07"},
		{name: "machine", bytes: "\x00\x00\x00\x0apc-q35-7.2"},
		{name: "subsection", bytes: "\x05", drop: true},
		{name: "subsection's name", bytes: "\x1aconfiguration/capabilities", drop: true},
		{name: "subsection's version", bytes: "\x00\x00\x00\x01", drop: true},
		{name: "capabilities", bytes: "\x00\x00\x00\x01", drop: true},
		{name: "capability", bytes: "\x0fx-ignore-shared", drop: true},
		{name: "section", bytes: "\x01"},
		{name: "section's number", bytes: "\x00\x00\x00\x02"},
		{name: "section's name", bytes: "\x03ram"},
		{name: "section's instance", bytes: "\x00\x00\x00\x00"},
		{name: "memory's version", bytes: "\x00\x00\x00\x04"},
		{name: "memory's size", bytes: "\x00\x00\x00\x00\x06\x04\x00\x04"}, // 96 MiB + 256 KiB, RAM_SAVE_FLAG_MEM_SIZE
		{name: "first block's name", bytes: "\x03ram"},
		{name: "first block's size", bytes: "\x00\x00\x00\x00\x06\x00\x00\x00"},
		{name: "first block's address", bytes: "\x00\x00\x00\x00\x00\x00\x00\x00", drop: true},
		{name: "second block's name", bytes: "\x07pc.bios"},
		{name: "second block's size", bytes: "\x00\x00\x00\x00\x00\x04\x00\x00"},
		{name: "second block's address", bytes: "\x00\x00\x00\x00\xff\xfc\x00\x00", drop: true},
		{name: "devices", bytes: "\x00\x05x-ignore-shared and whatever else\xff"},
	}
}

// join makes a template's stream of its parts, and that of its copies.
func join(parts []streamPart) (saved, private []byte) {
	for _, p := range parts {
		saved = append(saved, p.bytes...)
		if !p.drop {
			private = append(private, p.bytes...)
		}
	}
	return saved, private
}

func TestPrivateState(t *testing.T) {
	saved, want := join(templateStream())
	before := bytes.Clone(saved)
	got, err := PrivateState(saved)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !bytes.Equal(saved, before) {
		t.Error("it wrote to the stream that it was given")
	}
	if again, err := PrivateState(got); err == nil {
		t.Errorf("a copy's stream passes for a template's: %q", again)
	}
}

// A stream that ends before the devices is refused wherever it ends, and says so.
func TestPrivateStateCutShort(t *testing.T) {
	saved, _ := join(templateStream())
	devices := len(templateStream()[len(templateStream())-1].bytes)
	for n := range len(saved) - devices {
		got, err := PrivateState(saved[:n:n])
		switch {
		case err == nil:
			t.Errorf("%d bytes of a stream were taken: %q", n, got)
		case n >= 8 && !strings.Contains(err.Error(), "ends after"):
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestPrivateStateErrors(t *testing.T) {
	for _, test := range []struct{ part, bytes, want string }{
		{"magic", "QEVN", "not a migration stream"},
		{"version", "\x00\x00\x00\x02", "not a migration stream of version 3"},
		{"configuration", "\x01", "want 0x7: its configuration"},
		{"machine", "\x00\x00\x00\x0bpc-q35-7.2", "want 0x5: its capabilities"},
		{"machine", "\xff\xff\xff\xffpc-q35-7.2", "ends after"},
		{"subsection", "\x01", "want 0x5: its capabilities"}, // a stream that was saved without the capability
		{"subsection's name", "\x18configuration/target-pages", "want configuration/capabilities"},
		{"subsection's name", "\x00", "want configuration/capabilities"},
		{"capabilities", "\x00\x00\x00\x00", "0 capabilities"},
		{"capabilities", "\x00\x00\x00\x02", "2 capabilities"},
		{"capability", "\x06events", `capability "events"`},
		{"section", "\x04", "want 0x1: the guest's memory"},
		{"section's name", "\x05timer", `section "timer"`},
		{"memory's version", "\x00\x00\x00\x05", "memory of version 5"},
		{"memory's size", "\x00\x00\x00\x00\x06\x04\x00\x08", "flags 0x8"},
		{"memory's size", "\x00\x00\x00\x00\x06\x04\x00\x00", "flags 0x0"},
		{"memory's size", "\x00\x00\x00\x00\x06\x00\x10\x04", "a block of 262144 bytes where 4096 are left"},
		{"memory's size", "\xff\xff\xff\xff\xff\xff\xf0\x04", "ends after"},
		{"first block's size", "\x00\x00\x00\x00\x00\x00\x00\x00", "a block of 0 bytes"},
		{"first block's size", "\x00\x00\x00\x00\x07\x00\x00\x00", "where 100925440 are left"},
		{"first block's address", "", "a block of"}, // as QEMU writes it without the capability
		{"first block's name", "\xffram", "ends after"},
	} {
		parts := templateStream()
		found := false
		for i := range parts {
			if parts[i].name == test.part {
				parts[i].bytes, found = test.bytes, true
			}
		}
		saved, _ := join(parts)
		got, err := PrivateState(saved)
		switch {
		case !found:
			t.Errorf("no part %s", test.part)
		case err == nil:
			t.Errorf("%s %q: no error, and %q", test.part, test.bytes, got)
		case !strings.Contains(err.Error(), test.want):
			t.Errorf("%s %q: %v, want %q", test.part, test.bytes, err, test.want)
		}
	}
}

func TestSaveImage(t *testing.T) {
	const xml = "<domain type='qemu'/>"
	image := AppendSaveImage([]byte("before"), xml, []byte("state"))
	// struct _virQEMUSaveHeader of libvirt's src/qemu/qemu_saveimage.h
	var want bytes.Buffer
	want.WriteString("before" + "LibvirtQemudSave")
	for _, field := range [19]uint32{0: 2, 1: uint32(len(xml) + 1)} {
		if err := binary.Write(&want, binary.NativeEndian, field); err != nil {
			t.Fatal(err)
		}
	}
	want.WriteString(xml + "\x00" + "state")
	if diff := cmp.Diff(want.Bytes(), image); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	image = image[len("before"):]
	if got, err := SavedState(image); err != nil || string(got) != "state" {
		t.Errorf("%q, %v", got, err)
	}
	for _, test := range []struct {
		name   string
		change func(image []byte) []byte
		want   string
	}{
		{"nothing", func([]byte) []byte { return nil }, "not a libvirt save image"},
		{"half a header", func(b []byte) []byte { return b[:saveHeader-1] }, "not a libvirt save image"},
		{"one that is being written", func(b []byte) []byte { copy(b, "LibvirtQemudPart"); return b }, "not a libvirt save image"},
		{"another version", func(b []byte) []byte { return putField(b, 0, 3) }, "version 3, want 2"},
		{"compressed", func(b []byte) []byte { return putField(b, 3, 1) }, "save_image_format"},
		{"cut in the XML", func(b []byte) []byte { return b[:saveHeader+len(xml)] }, "with 22 bytes of XML in 113 bytes"},
		{"endless XML", func(b []byte) []byte { return putField(b, 1, 1<<32-1) }, "with 4294967295 bytes of XML"},
		{"more XML than is allowed", func(b []byte) []byte {
			return putField(append(b, make([]byte, 2*MaxSaveXML)...), 1, MaxSaveXML+1)
		}, "with 1048577 bytes of XML"},
	} {
		got, err := SavedState(test.change(bytes.Clone(image)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}

// putField changes the nth number of a save image's header.
func putField(image []byte, n int, value uint32) []byte {
	binary.NativeEndian.PutUint32(image[len(saveMagic)+4*n:], value)
	return image
}

// A save image is what the daemon of another machine sends, of a guest that may have done anything: whatever is in
// it, it is refused, or loses the capability and the addresses and nothing else.
func FuzzSaveImage(f *testing.F) {
	saved, private := join(templateStream())
	f.Add(AppendSaveImage(nil, "<domain/>", saved))
	f.Add(AppendSaveImage(nil, "", private))
	f.Add(AppendSaveImage(nil, "<domain/>", saved[:len(saved)/2]))
	f.Add(saved)
	f.Fuzz(func(t *testing.T, image []byte) {
		state, err := SavedState(image)
		if err != nil {
			state = image
		} else if !bytes.HasSuffix(image, state) {
			t.Fatalf("the state is not the image's end: %q", state)
		}
		before := bytes.Clone(state)
		got, err := PrivateState(state)
		if !bytes.Equal(state, before) {
			t.Fatal("it wrote to the stream that it was given")
		}
		if err != nil {
			return
		}
		const capability = 1 + 1 + len(capabilitiesName) + 4 + 4 + 1 + len(IgnoreShared)
		if lost := len(state) - len(got) - capability; lost < 0 || lost%8 != 0 {
			t.Fatalf("%d bytes became %d", len(state), len(got))
		}
		if !subsequence(got, state) {
			t.Fatalf("%q has what %q has not", got, state)
		}
	})
}

// subsequence tells whether some bytes of b, in their order, are a.
func subsequence(a, b []byte) bool {
	for _, c := range b {
		if len(a) > 0 && a[0] == c {
			a = a[1:]
		}
	}
	return len(a) == 0
}
