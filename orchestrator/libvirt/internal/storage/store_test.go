package storage

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreOf(t *testing.T) {
	pool := func(kind, path, owner string) string {
		return "<pool type='" + kind + "'><name>fleetfall</name><target><path>" + path + "</path>" +
			"<permissions><mode>0711</mode><owner>" + owner + "</owner><group>0</group></permissions></target></pool>"
	}
	dirs := []string{"/a", "/b"}
	for name, c := range map[string]struct {
		text   string
		system bool
		want   string // part of the error; "" for none
	}{
		"root's":                        {pool("dir", "/a", "0"), true, ""},
		"a user's":                      {pool("dir", "/b", "1000"), false, ""},
		"a user's in the way of root's": {pool("dir", "/a", "1000"), true, "/a does not belong to root"},
		"no owner known":                {"<pool type='dir'><target><path>/a</path></target></pool>", true, "does not belong to root"},
		"of disks":                      {pool("logical", "/a", "0"), true, `type is "logical", want dir`},
		"elsewhere":                     {pool("dir", "/a/b", "0"), true, "not in /a or /b"},
		"nowhere":                       {"<pool type='dir'></pool>", true, "not in /a or /b"},
		"not XML":                       {"<pool", true, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := storeOf(c.text, dirs, c.system)
			if c.want == "" && (err != nil || !strings.Contains(c.text, "<path>"+dir+"<")) {
				t.Errorf("got %q, %v", dir, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestStoreDirs(t *testing.T) {
	if dirs := storeDirs("qemu:///system"); len(dirs) != 1 || dirs[0] != storeDir {
		t.Errorf("a system daemon's: %v", dirs)
	}
	dirs := storeDirs("qemu:///session")
	if len(dirs) < 2 || dirs[0] == dirs[1] {
		t.Errorf("session daemons of two users need two directories: %v", dirs)
	}
	for _, dir := range dirs {
		if dir == storeDir || filepath.Dir(dir) != filepath.Dir(storeDir) {
			t.Errorf("a session daemon's: %s", dir)
		}
	}
}

// TestStoreNames holds every way to name a file to what is allowed. No daemon is asked.
func TestStoreNames(t *testing.T) {
	s := &Store{dir: "/nowhere"}
	ways := map[string]func(name string) error{
		"put":     func(name string) error { return s.put(t.Context(), name, bytes.NewReader(nil), 0, 0o600) },
		"has":     func(name string) error { _, err := s.has(t.Context(), name); return err },
		"get":     func(name string) error { return s.get(t.Context(), name, io.Discard, 0) },
		"size":    func(name string) error { _, _, err := s.size(t.Context(), name); return err },
		"create":  func(name string) error { return s.create(t.Context(), name, 1, os.FileMode(0o600)) },
		"overlay": func(name string) error { return s.Overlay(t.Context(), name, "/base", "raw", 1) },
		"remove":  func(name string) error { return s.Remove(t.Context(), name) },
	}
	for _, name := range []string{
		"", ".", "..", ".hidden", "a/b", "../a", "a b", "a\x00", "a\n", "é", "-a", "a,b",
		"a" + storeSuffix, strings.Repeat("a", 201),
	} {
		for way, f := range ways {
			if err := f(name); err == nil || !strings.Contains(err.Error(), "file name") {
				t.Errorf("%s %q: %v, want that the name is refused", way, name, err)
			}
		}
	}
	for _, name := range []string{"a", "9", "ff-run12345-web-1.qcow2", "image-sha256:0a1b.raw", "a+b_c", strings.Repeat("a", 200)} {
		if err := checkStoreName(name); err != nil {
			t.Error(err)
		}
	}
}
