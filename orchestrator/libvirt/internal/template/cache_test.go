package template

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/cache"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// Ways in which the files of a kept template, in dir, are no longer what was kept.
var damages = []struct {
	name   string
	damage func(t *testing.T, dir string)
	want   string // of the error that says so
}{
	{"memory cut short", func(t *testing.T, dir string) {
		path := filepath.Join(dir, RAMFile)
		if err := os.Truncate(path, sizeOf(t, path)/2); err != nil {
			t.Fatal(err)
		}
	}, "memory is damaged"},
	{"memory with more behind it", func(t *testing.T, dir string) {
		path := filepath.Join(dir, RAMFile)
		if err := os.Truncate(path, sizeOf(t, path)+4096); err != nil {
			t.Fatal(err)
		}
	}, "memory is damaged"},
	{"a flipped bit in the disk", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, diskFile)) }, "disk.qcow2 is damaged"},
	{"a flipped bit in the state", func(t *testing.T, dir string) { flip(t, filepath.Join(dir, StateFile)) }, "state is damaged"},
	{"no memory", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, RAMFile)) }, "no such file"},
	{"no state", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, StateFile)) }, "no such file"},
	{"a description cut short", func(t *testing.T, dir string) {
		path := filepath.Join(dir, File)
		if err := os.Truncate(path, sizeOf(t, path)/2); err != nil {
			t.Fatal(err)
		}
	}, "not a template"},
	{"a description without end", func(t *testing.T, dir string) {
		if err := os.Truncate(filepath.Join(dir, File), maxFile+1); err != nil {
			t.Fatal(err)
		}
	}, "more than"},
	{"a description of another template", func(t *testing.T, dir string) {
		rewrite(t, dir, func(k *Kept) { k.Key = "another-one-0123456789abcdef" })
	}, "template another-one-0123456789abcdef in the place of"},
	{"a description of another version", func(t *testing.T, dir string) {
		rewrite(t, dir, func(k *Kept) { k.Schema++ })
	}, "schema 4, this fleetfall reads 3"},
	{"a description without files", func(t *testing.T, dir string) {
		rewrite(t, dir, func(k *Kept) { k.Files = nil })
	}, "is damaged"},
	{"a state without end", func(t *testing.T, dir string) {
		rewrite(t, dir, func(k *Kept) { k.Files[StateFile] = Seal{Size: MaxState + 1} })
	}, "a state of 16777217 bytes"},
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// flip changes one bit of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 0x80
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// rewrite changes what is written down of the template in dir.
func rewrite(t *testing.T, dir string, change func(*Kept)) {
	t.Helper()
	path := filepath.Join(dir, File)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var k Kept
	if err := json.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	change(&k)
	if text, err = json.Marshal(k); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// cacheAt is a cache in this directory, for a run with a work directory of its own.
func cacheAt(t *testing.T, dir string) *Cache {
	t.Helper()
	root, err := os.MkdirTemp("/var/tmp", "fft-") // a path short enough for sockets below it
	if err != nil {
		t.Fatal(err)
	}
	w, err := workdir.Create(workdir.Options{Root: root, RunID: "cached01", URI: "qemu:///session"}) // a daemon that is not ours
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Remove(); err != nil {
			t.Error(err)
		}
	})
	return NewCache(dir, storage.NewLocal(w, account.Account{}))
}

// madeUp is a template in p of which nothing ever ran. Most of its memory is zeros.
func madeUp(t *testing.T, p *Cache, name string) *Template {
	t.Helper()
	made := &Template{
		Kept:  Kept{Question: 7, Boot: Boot{FirstByte: time.Millisecond, Asked: time.Second}, Overhead: 1, Own: 2},
		State: []byte("state of devices"), RAM: p.files.Path(name + RAMSuffix), Disk: p.files.Path(name + DiskSuffix),
	}
	memory := make([]byte, 5*storage.SparseBlock+100)
	copy(memory[2*storage.SparseBlock+17:], "what the guest knows")
	for path, data := range map[string][]byte{made.RAM: memory, made.Disk: []byte("disk of the guest")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

func TestTemplateIsKept(t *testing.T) {
	cache := t.TempDir()
	p, key := cacheAt(t, cache), "tiny-user-0123456789abcdef"
	if got, err := p.Find(t.Context(), key, "a", true); got != nil || err != nil {
		t.Errorf("out of an empty cache came %+v, %v", got, err)
	}
	made := madeUp(t, p, "made")
	dir, err := p.Keep(t.Context(), made, key)
	if err != nil || dir != p.Dir(key) {
		t.Fatalf("kept in %q, %v", dir, err)
	}
	info, err := os.Stat(filepath.Join(dir, RAMFile))
	if err != nil {
		t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Blocks*512 > 2*storage.SparseBlock {
		t.Errorf("memory of %d bytes with one block that is not zero takes %d bytes on the disk", info.Size(), stat.Blocks*512)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(dir, long, long); err != nil {
		t.Fatal(err)
	}

	other := cacheAt(t, cache)
	got, err := other.Find(t.Context(), key, "b", true)
	if err != nil {
		t.Fatal(err)
	}
	if got.RAM != other.files.Path("b.ram") || got.Disk != other.files.Path("b.qcow2") || !bytes.Equal(got.State, made.State) || got.From != "kept in "+dir ||
		got.Kept.Question != 7 || got.Kept.Boot != made.Kept.Boot || got.Kept.Overhead != 1 || got.Kept.Own != 2 {
		t.Errorf("kept %+v, got %+v", made, got)
	}
	for kept, used := range map[string]string{made.RAM: got.RAM, made.Disk: got.Disk} {
		want, err1 := os.ReadFile(kept)
		have, err2 := os.ReadFile(used)
		if err1 != nil || err2 != nil || !bytes.Equal(want, have) {
			t.Errorf("%s and %s differ (%v, %v)", kept, used, err1, err2)
		}
	}
	if info, err := os.Stat(dir); err != nil || !info.ModTime().After(long) {
		t.Errorf("its use was not noted: %v", err)
	}

	// Kept again, it replaces what was there, and other kinds stay.
	if _, err := p.Keep(t.Context(), madeUp(t, p, "again"), "tiny-kernel-0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	made.State = []byte("another state")
	if _, err := p.Keep(t.Context(), made, key); err != nil {
		t.Fatal(err)
	}
	if got, err := other.Find(t.Context(), key, "b", true); err != nil || string(got.State) != "another state" {
		t.Errorf("%+v, %v", got, err)
	}
	checkKept(t, cache, "tiny-kernel-0123456789abcdef", key)

	// One that was never used is removed, and without a cache nothing is kept.
	if err := p.Discard(t.Context(), key); err != nil {
		t.Error(err)
	}
	checkKept(t, cache, "tiny-kernel-0123456789abcdef")
	p.root = ""
	if dir, err := p.Keep(t.Context(), made, key); dir != "" || err != nil {
		t.Errorf("without a cache it is kept in %q, %v", dir, err)
	}
}

// checkKept checks which templates a cache has, and that it has nothing else.
func checkKept(t *testing.T, cache string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(cache, "templates"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, want) {
		t.Errorf("templates %q, want %q", have, want)
	}
}

func TestDamagedTemplate(t *testing.T) {
	for _, test := range damages {
		p, key := cacheAt(t, t.TempDir()), "tiny-user-0123456789abcdef"
		dir, err := p.Keep(t.Context(), madeUp(t, p, "made"), key)
		if err != nil {
			t.Fatal(err)
		}
		test.damage(t, dir)
		got, err := p.Find(t.Context(), key, "a", true)
		switch {
		case err == nil:
			t.Errorf("%s: it is used: %+v", test.name, got)
		case !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir):
			t.Errorf("%s: %v, want %q and where", test.name, err, test.want)
		}
	}
}

// A copy that is cut short leaves nothing that looks like a template.
func TestKeepingIsInterrupted(t *testing.T) {
	p, key := cacheAt(t, t.TempDir()), "tiny-user-0123456789abcdef"
	made := madeUp(t, p, "made")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Keep(ctx, made, key); !errors.Is(err, context.Canceled) {
		t.Errorf("kept with %v", err)
	}
	checkKept(t, p.root)
	if _, err := p.Keep(t.Context(), made, key); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Find(ctx, key, "a", true); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStaleTemplates(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "templates")
	for name, age := range map[string]time.Duration{
		"tiny-user-1111111111111111":   2 * staleTemplate, // of the same kind, and unused for long
		"tiny-user-2222222222222222":   staleTemplate / 2,
		"tiny-kernel-3333333333333333": 2 * staleTemplate, // of another kind
		cache.NewTemplate + "1":        2 * leftBehind,
		cache.NewTemplate + "2":        leftBehind / 2, // somebody may be writing it
	} {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Join(at, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(at, then, then); err != nil {
			t.Fatal(err)
		}
	}
	p := cacheAt(t, dir)
	if _, err := p.Keep(t.Context(), madeUp(t, p, "made"), "tiny-user-4444444444444444"); err != nil {
		t.Fatal(err)
	}
	checkKept(t, dir, cache.NewTemplate+"2", "tiny-kernel-3333333333333333", "tiny-user-2222222222222222", "tiny-user-4444444444444444")
}
