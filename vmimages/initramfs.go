package vmimages

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// An initramfs is the tree that the kernel unpacks as its root: path without leading slash -> what is there.
type initramfs map[string]cpio.Record

// dir adds an empty directory.
func (t initramfs) dir(name string, mode uint64) { t[name] = cpio.Directory(name, mode) }

// bytes adds a file.
func (t initramfs) bytes(name string, data []byte, mode uint64) {
	t[name] = cpio.StaticFile(name, string(data), mode)
}

// file adds a copy of a file of the machine.
func (t initramfs) file(name, from string, mode uint64) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("add %s to the initramfs: %w", name, err)
	}
	t.bytes(name, data, mode)
	return nil
}

// write writes the archive to a file. The bytes depend on the tree alone: sorted, owned by root, without times.
//
// The archive is not compressed: under emulation gzip, lz4 and zstd gain no wall time (all within the noise of 0.1 s in
// 2.1 s to the first process; kernel 6.1, QEMU 7.2) and cost 0.03 to 0.14 s on a clock that counts instructions.
func (t initramfs) write(to string) error {
	for name := range maps.Clone(t) { // the kernel makes no parents by itself
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := t[dir]; !ok {
				t.dir(dir, 0o755)
			}
		}
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	w := cpio.Newc.Writer(f)
	for i, name := range slices.Sorted(maps.Keys(t)) { // a directory sorts before what is in it
		r := t[name]
		r.Ino, r.NLink = uint64(i+1), 1
		if err := w.WriteRecord(r); err != nil {
			f.Close()
			return fmt.Errorf("write %s of the initramfs: %w", name, err)
		}
	}
	return errors.Join(cpio.WriteTrailer(w), f.Chmod(0o644), f.Close())
}

// fillInitramfs lays out the image: see agents/guest for what it expects where.
func (b *builder) fillInitramfs(p parts) (initramfs, map[string][]string, error) {
	t := initramfs{}
	for _, d := range b.recipe.Initramfs.Directories {
		t.dir(d, 0o755)
	}
	t.dir("tmp", 0o1777)
	t["dev/console"] = cpio.CharDev("dev/console", 0o600, 5, 1) // where the first process's output goes: Linux, devices.txt
	files := map[string]string{
		"init": p.guest, "agent/kernel.ko": p.kernelAgent, "agent/user": p.userAgent, "agent/safe": p.safeAgent,
	}
	for name, file := range p.programs {
		files["opt/fleetfall/"+name] = file
	}
	modules := map[string][]string{}
	for link, order := range p.modules {
		for _, file := range order {
			name := "lib/modules/" + path.Base(file)
			files[name] = file
			modules[link] = append(modules[link], "/"+name)
		}
	}
	for _, name := range sortedKeys(files) {
		mode := uint64(0o755)
		if strings.HasSuffix(name, ".ko") {
			mode = 0o644
		}
		if err := t.file(name, files[name], mode); err != nil {
			return nil, nil, err
		}
	}
	for link, list := range modules {
		t.bytes("etc/fleetfall/modules."+link, []byte(strings.Join(list, "\n")+"\n"), 0o644)
	}
	return t, modules, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
