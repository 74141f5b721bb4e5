package admission

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUnderCgroups(t *testing.T) {
	const total, available = 1000, 800
	for name, c := range map[string]struct {
		own                  string
		files                map[string]string
		wantTotal, wantAvail int64
	}{
		"no groups": {"", nil, total, available},
		"the first version alone": {"4:memory:/a\n", map[string]string{"memory.max": "10", "memory.current": "1"},
			total, available},
		"no limit": {"0::/a\n", map[string]string{"a/memory.max": "max\n", "a/memory.current": "300\n"}, total, available},
		"a container's limit, seen from inside": {"4:memory:/\n0::/\n", map[string]string{"memory.max": "500\n", "memory.current": "300\n"},
			500, 200},
		"seen from outside": {"0::/a/b\n", map[string]string{"a/b/memory.max": "500\n", "a/b/memory.current": "300\n"}, 500, 200},
		"of a group around it": {"0::/a/b\n", map[string]string{
			"a/memory.max": "500\n", "a/memory.current": "450\n", "a/b/memory.max": "600\n", "a/b/memory.current": "10\n"}, 500, 50},
		"pages of files nobody uses can be had": {"0::/a\n", map[string]string{
			"a/memory.max": "500\n", "a/memory.current": "500\n", "a/memory.stat": "anon 1\ninactive_file 70\nactive_file 9\n"}, 500, 70},
		"more than it may":         {"0::/a\n", map[string]string{"a/memory.max": "500\n", "a/memory.current": "501\n"}, 500, 0},
		"more than there is":       {"0::/a\n", map[string]string{"a/memory.max": "5000\n", "a/memory.current": "1\n"}, total, available},
		"it does not tell":         {"0::/a\n", map[string]string{"a/memory.max": "500\n"}, total, available},
		"damaged":                  {"0::/a\n", map[string]string{"a/memory.max": "x\n", "a/memory.current": "1\n"}, total, available},
		"not out of the hierarchy": {"0::/../../etc\n", map[string]string{"etc/memory.max": "500\n", "etc/memory.current": "300\n"}, 500, 200},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			file = filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		gotTotal, gotAvailable := underCgroups(root, []byte(c.own), total, available)
		if gotTotal != c.wantTotal || gotAvailable != c.wantAvail {
			t.Errorf("%s: %d, %d, want %d, %d", name, gotTotal, gotAvailable, c.wantTotal, c.wantAvail)
		}
	}
}
