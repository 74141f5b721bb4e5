package vmimages

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestDependencyOrder(t *testing.T) {
	tests := []struct {
		name   string
		wanted []string
		needs  map[string]string // "-" is built in
		want   string
		err    string
	}{
		{"nothing", nil, nil, "", ""},
		{"alone", []string{"a"}, map[string]string{"a": ""}, "a", ""},
		{"chain", []string{"a"}, map[string]string{"a": "b", "b": "c", "c": ""}, "c b a", ""},
		{"diamond", []string{"a"}, map[string]string{"a": "b c", "b": "d", "c": "d", "d": ""}, "d b c a", ""},
		{"wanted in order", []string{"b", "a"}, map[string]string{"a": "", "b": ""}, "b a", ""},
		{"wanted is needed by an earlier one", []string{"a", "b"}, map[string]string{"a": "b", "b": ""}, "b a", ""},
		{"wanted twice", []string{"a", "a"}, map[string]string{"a": ""}, "a", ""},
		{"dashes", []string{"a-x"}, map[string]string{"a_x": "b-y", "b_y": ""}, "b_y a_x", ""},
		{"built in", []string{"a", "b"}, map[string]string{"a": "b", "b": "-"}, "a", ""},
		{"missing", []string{"a"}, map[string]string{"a": "b", "b": "c"}, "", "kernel module a -> b -> c: not there"},
		{"cycle", []string{"x"}, map[string]string{"x": "a", "a": "b", "b": "a"}, "", "kernel modules need each other: x -> a -> b -> a"},
		{"needs itself", []string{"a"}, map[string]string{"a": "a"}, "", "kernel modules need each other: a -> a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := dependencyOrder(tt.wanted, func(name string) ([]string, error) {
				needs, ok := tt.needs[name]
				switch {
				case !ok:
					return nil, errors.New("not there")
				case needs == "-":
					return nil, errBuiltin
				}
				return strings.Fields(needs), nil
			})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("order %q, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseModinfo(t *testing.T) {
	m := parseModinfo([]byte("license=GPL\x00depends=virtio_ring,virtio\x00softdep=pre: crc32c-intel b post: c pre: d\x00" +
		"vermagic=6.1.0-56-cloud-amd64 SMP \x00depends"))
	if !slices.Equal(m.depends, []string{"virtio_ring", "virtio"}) {
		t.Errorf("depends %q", m.depends)
	}
	if !slices.Equal(m.softdeps, []string{"crc32c_intel", "b", "d"}) {
		t.Errorf("softdeps %q", m.softdeps)
	}
	if m.vermagic != "6.1.0-56-cloud-amd64 SMP " {
		t.Errorf("vermagic %q", m.vermagic)
	}
}

func TestLoadOrderErrors(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"broken.ko": "not ELF", "packed.ko.xz": "xz"} {
		if err := writeFile(dir+"/"+name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := scanModules(dir, []byte("kernel/fs/ext4/ext4.ko\n"))
	if err != nil {
		t.Fatal(err)
	}
	for wanted, want := range map[string]string{
		"broken": "read module broken.ko", "packed": "packed.ko.xz is compressed", "virtio_blk": "no such module", "ext4": "",
	} {
		order, err := tree.loadOrder([]string{wanted})
		if want == "" && (err != nil || len(order) != 0) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: order %q, error %v; want error %q", wanted, order, err, want)
		}
	}
}

func FuzzParseModinfo(f *testing.F) {
	f.Add([]byte("depends=a,b\x00softdep=pre: a post: b\x00vermagic=6.1 SMP\x00"))
	f.Add([]byte("depends=,,\x00softdep=pre:\x00=\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := parseModinfo(data)
		for _, name := range append(m.depends, m.softdeps...) {
			if name == "" || strings.ContainsRune(name, 0) {
				t.Errorf("impossible module name %q", name)
			}
		}
	})
}
