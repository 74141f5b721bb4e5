package scenarios

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"
)

// What is no file is refused, and nobody is waited for.
func TestReadBounded(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("good"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("good", path("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path("long"), make([]byte, maxSource+100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, err string
		bytes     int
	}{
		{path("good"), "", 4},
		{path("link"), "", 4},
		{path("long"), "", maxSource + 1},
		{path("fifo"), "it is a pipe and no file", 0},
		{dir, "it is a directory and no file", 0},
		{"/dev/zero", "it is a device and no file", 0},
		{path("none"), "no such file or directory", 0},
		{"a\x00b", "invalid argument", 0},
	} {
		src, err := readBounded(test.path)
		if len(src) != test.bytes || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %d bytes, %v; want %d, %q", test.path, len(src), err, test.bytes, test.err)
		}
	}
}

// Whoever names a file or a variable cannot drive the terminal of whom it is told.
func TestRenderIsPrintable(t *testing.T) {
	const evil = "\x1b]0;evil\a\n\u202e\xff"
	for _, opts := range []Options{
		{Vars: map[string]string{evil: evil}},
		{Vars: map[string]string{"hosts": evil}},
		{VarFiles: []string{evil + ".vars"}},
		{Clock: evil},
		{Environ: []string{environPrefix + "host" + evil + "=" + evil}},
		{},
	} {
		opts.Files = map[string]*hcl.File{}
		src := frame + "variable \"hosts\" {\n  default = 1\n}\nrecovery \"\\u001b[31m\" {\n  strategy = \"\\u001b\\u202e\"\n}\nlocals {\n" +
			"  x = {}[\"\\u001b\"]\n}\n"
		_, diags := Load(t.Context(), evil+".hcl", []byte(src), opts)
		if !diags.HasErrors() {
			t.Errorf("%+v: no errors", opts)
		}
		var out bytes.Buffer
		if err := Render(&out, diags, opts.Files, 80, false); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && isHidden(r) || r == '\ufffd' }); i >= 0 {
			t.Errorf("%+v: %q", opts, out.String()[max(0, i-40):i+1])
		}
	}
}

// What is in the environment for another scenario is none of this one's business.
func TestUnrelatedEnvironment(t *testing.T) {
	for _, entry := range []string{"other=\x1b", "other=\xff", "\x1b=1", "hosts2=\x1b"} {
		src := frame + "variable \"hosts\" {\n  default = 1\n}\n"
		plan, diags := Load(t.Context(), "x.hcl", []byte(src), Options{Environ: []string{environPrefix + entry}, Files: map[string]*hcl.File{}})
		if plan == nil {
			t.Errorf("%q: %v", entry, diags)
		}
	}
}
