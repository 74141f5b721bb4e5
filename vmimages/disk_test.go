package vmimages

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
)

func TestDisk(t *testing.T) {
	for _, tool := range []string{"mke2fs", "debugfs"} {
		_, err := findTool(tool)
		capability.Need(t, err == nil, tool, "apt-get install "+debianPackage(tool))
	}
	r := diskRecipe{SizeMiB: 8, UUID: "f1ee7fa1-1000-4000-8000-000000000001", HashSeed: "f1ee7fa1-1000-4000-8000-000000000002"}
	files := map[string][]byte{"content/shipped.bin": []byte("shipped"), "content/current.bin": bytes.Repeat([]byte("x"), 5000), "a/b/c": nil}
	dir := t.TempDir()
	var first []byte
	// What the machine says about files, here by its umask and by who makes them, is not on the disk.
	for _, umask := range []int{0o022, 0o077} {
		old := syscall.Umask(umask)
		disk, scratch := filepath.Join(dir, "disk"), filepath.Join(dir, "scratch")
		err := makeDir(scratch)
		if err == nil {
			err = makeDisk(t.Context(), r, files, disk, scratch)
		}
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(disk)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(disk); err != nil || allocated(info) > 4<<20 {
			t.Errorf("the disk takes %d bytes: it is not sparse; %v", allocated(info), err)
		}
		if first == nil {
			first = data
		} else if !bytes.Equal(first, data) {
			t.Error("the same files gave other bytes with another umask")
		}
		for name, want := range files {
			got := filepath.Join(dir, "got")
			if out, err := (command{args: []string{"debugfs", "-R", "dump /" + name + " " + got, disk}}).run(t.Context()); err != nil {
				t.Fatal(err, out)
			}
			if data, err := os.ReadFile(got); err != nil || !bytes.Equal(data, want) {
				t.Errorf("%s holds %q, %v", name, data, err)
			}
		}
		if out, err := (command{args: []string{"debugfs", "-R", "ls -l /content", disk}}).run(t.Context()); err != nil ||
			strings.Count(out, "100644 (1)      0      0") != 2 || !strings.Contains(out, "40755 (2)      0      0") {
			t.Errorf("%v: %s", err, out)
		}
		// The checker finds nothing to mend.
		if out, err := (command{args: []string{"e2fsck", "-f", "-n", disk}}).run(t.Context()); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if err := os.RemoveAll(scratch); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiskErrors(t *testing.T) {
	_, err := findTool("debugfs")
	capability.Need(t, err == nil, "debugfs", "apt-get install e2fsprogs")
	r := diskRecipe{SizeMiB: 8, UUID: "f1ee7fa1-1000-4000-8000-000000000001", HashSeed: "f1ee7fa1-1000-4000-8000-000000000002"}
	dir := t.TempDir()
	err = makeDisk(t.Context(), r, map[string][]byte{"large": bytes.Repeat([]byte("x"), 9<<20)}, filepath.Join(dir, "disk.raw"), dir)
	if err == nil || !strings.Contains(err.Error(), "debugfs said") {
		t.Errorf("more files than fit: error %v", err)
	}
}
