package storage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
)

const mib = 1 << 20

// scratchStore opens a store of its own on a daemon of its own, by TCP.
func scratchStore(t *testing.T) (*daemontest.Daemon, *Store) {
	t.Helper()
	d := daemontest.Listen(t)
	return d, storeAt(t, d, "scratch")
}

func storeAt(t *testing.T, d *daemontest.Daemon, name string) *Store {
	t.Helper()
	c, err := connect.Open(t.Context(), d.TCP, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { daemontest.End(t, c.Close) })
	s, err := openStoreIn(t.Context(), c, name, filepath.Join(d.Dir, "h", name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noise is n bytes that are not zeros, the same for a seed.
func noise(n int, seed uint64) []byte {
	b, r := make([]byte, n), rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	return b
}

func mustPut(t *testing.T, s *Store, name string, content []byte) {
	t.Helper()
	if err := s.put(t.Context(), name, bytes.NewReader(content), int64(len(content)), 0o666); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, name, content)
}

// wantStored looks at a file that was put.
func wantStored(t *testing.T, s *Store, name string, content []byte) {
	t.Helper()
	if whole, err := s.has(t.Context(), name); err != nil || !whole {
		t.Errorf("%s is whole: %v, %v", name, whole, err)
	}
	var got bytes.Buffer
	if err := s.get(t.Context(), name, &got, int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), content) {
		t.Errorf("%s: other bytes came back than were put", name)
	}
}

// TestStoreTogether has several runs begin at once.
func TestStoreTogether(t *testing.T) {
	d := daemontest.Listen(t)
	content := slices.Concat(noise(mib, 1), make([]byte, mib), noise(2*mib, 2))
	for round := range 5 {
		var runs sync.WaitGroup
		for range 4 {
			c, err := connect.Open(t.Context(), d.Unix, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer daemontest.End(t, c.Close)
			runs.Go(func() {
				name := fmt.Sprintf("together-%d", round)
				s, err := openStoreIn(t.Context(), c, name, "/proc/not-ours", filepath.Join(d.Dir, "h", name))
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.put(t.Context(), "file", bytes.NewReader(content), int64(len(content)), 0o644); err != nil {
					t.Error(err)
					return
				}
				wantStored(t, s, "file", content)
			})
		}
		runs.Wait()
	}
}

// TestStoreElsewhere refuses what must not be the store.
func TestStoreElsewhere(t *testing.T) {
	d := daemontest.Listen(t)
	s := storeAt(t, d, "scratch")
	mine := filepath.Join(d.Dir, "root's")
	if err := os.Mkdir(mine, 0o777); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if _, err := openStoreIn(t.Context(), s.conn, "other", mine); err == nil {
			t.Error("a store in a directory that belongs to somebody else")
		}
		if s, err := openStoreIn(t.Context(), s.conn, "other", mine, filepath.Join(d.Dir, "h/other")); err != nil || s.dir == mine {
			t.Errorf("past a directory of somebody else: %v, %v", s, err)
		}
	}
	if _, err := openStoreIn(t.Context(), s.conn, "scratch", filepath.Join(d.Dir, "h/third")); err == nil {
		t.Error("a pool of the same name that is elsewhere")
	}
}

func TestStoreOverlay(t *testing.T) {
	capability.Tools(t, "qemu-img", "qemu-utils")
	_, s := scratchStore(t)
	ctx := t.Context()
	mustPut(t, s, "base.raw", noise(mib, 1))
	if err := s.Overlay(ctx, "a.qcow2", s.path("base.raw"), "raw", 8*mib); err != nil {
		t.Fatal(err)
	}
	if err := s.Overlay(ctx, "b.qcow2", s.path("a.qcow2"), "qcow2", 16*mib); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]diskInfo{
		"a.qcow2": {"qcow2", 8 * mib, s.path("base.raw"), "raw"},
		"b.qcow2": {"qcow2", 16 * mib, s.path("a.qcow2"), "qcow2"},
	} {
		text, err := exec.Command("qemu-img", "info", "--output=json", s.path(name)).Output()
		if err != nil {
			t.Fatal(err)
		}
		var got diskInfo
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
		info, err := os.Stat(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		if size, _, err := s.size(ctx, name); err != nil || size != info.Size() || info.Mode() != 0o600 {
			t.Errorf("%s has size %d, %v, want %d; mode %v", name, size, err, info.Size(), info.Mode())
		}
		if whole, err := s.has(ctx, name); err != nil || whole {
			t.Errorf("%s was put: %v, %v", name, whole, err)
		}
	}
	if err := s.Overlay(ctx, "a.qcow2", s.path("base.raw"), "raw", 8*mib); !connect.HasCode(err, golibvirt.ErrStorageVolExist) {
		t.Errorf("an overlay twice: %v", err)
	}
	err := s.Overlay(ctx, "c.qcow2", s.path("nothing"), "raw", 8*mib)
	if err == nil || !strings.Contains(err.Error(), "c.qcow2") {
		t.Errorf("an overlay on nothing: %v", err)
	}
}

type diskInfo struct {
	Format        string `json:"format"`
	Size          int64  `json:"virtual-size"`
	Backing       string `json:"full-backing-filename"`
	BackingFormat string `json:"backing-filename-format"`
}

func TestStoreFiles(t *testing.T) {
	_, s := scratchStore(t)
	ctx := t.Context()
	mustPut(t, s, "run-b", noise(5, 1))
	if err := s.create(ctx, "run-a", 3*mib, 0o640); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(s.path("run-a")); err != nil || info.Size() != 3*mib || info.Mode() != 0o640 {
		t.Errorf("created: %v, %v", info, err)
	}
	if err := s.create(ctx, "run-a", 3*mib, 0o640); !connect.HasCode(err, golibvirt.ErrStorageVolExist) {
		t.Errorf("created twice: %v", err)
	}
	// As QEMU does: the daemon is not told.
	for _, name := range []string{"run-c", "other"} {
		if err := os.WriteFile(s.path(name), []byte("saved"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if size, found, err := s.size(ctx, "run-c"); size != 5 || !found || err != nil {
		t.Errorf("a file of QEMU's: %d, %v, %v", size, found, err)
	}
	var got bytes.Buffer
	if err := s.get(ctx, "other", &got, 5); err != nil || got.String() != "saved" {
		t.Errorf("a file of QEMU's: %q, %v", &got, err)
	}
	if err := os.WriteFile(s.path("run-c"), []byte("saved again"), 0o644); err != nil {
		t.Fatal(err)
	}
	got.Reset()
	if err := s.get(ctx, "run-c", &got, mib); err != nil || got.String() != "saved again" {
		t.Errorf("a file that QEMU wrote again: %q, %v", &got, err)
	}
	for _, step := range []struct {
		Remove string
		left   []string
	}{
		{"nothing", []string{"run-a", "run-b", "run-c"}}, {"run-b", []string{"run-a", "run-c"}},
		{"run-c", []string{"run-a"}}, {"run-c", []string{"run-a"}}, {"run-a", nil},
	} {
		if err := s.Remove(ctx, step.Remove); err != nil {
			t.Fatal(err)
		}
		if names, err := s.list(ctx, "run-"); err != nil || !slices.Equal(names, step.left) {
			t.Errorf("after removing %s: %v, %v, want %v", step.Remove, names, err, step.left)
		}
	}
	if size, found, err := s.size(ctx, "run-b"); size != 0 || found || err != nil {
		t.Errorf("size of nothing: %d, %v, %v", size, found, err)
	}
	if err := s.get(ctx, "run-b", io.Discard, 1); err == nil || !strings.Contains(err.Error(), "run-b") {
		t.Errorf("get nothing: %v", err)
	}
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

// TestStoreBusy looks through the directory while disks are made in it, which the daemon refuses at such a time.
func TestStoreBusy(t *testing.T) {
	capability.Tools(t, "qemu-img", "qemu-utils")
	_, s := scratchStore(t)
	mustPut(t, s, "base", noise(10, 1))
	const makers, disks = 3, 5
	var making sync.WaitGroup
	for i := range makers {
		making.Go(func() {
			for j := range disks {
				if err := s.Overlay(t.Context(), fmt.Sprintf("disk-%d-%d", i, j), s.path("base"), "raw", mib); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		if _, found, err := s.size(t.Context(), "none"); found || err != nil {
			t.Errorf("size of nothing: %v, %v", found, err)
		}
	}
	making.Wait()
	if names, err := s.list(t.Context(), "disk"); err != nil || len(names) != makers*disks {
		t.Errorf("made: %v, %v", names, err)
	}
}
