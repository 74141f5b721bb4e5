package vmimages

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// makeDisk makes a sparse raw ext4 disk of the recipe's size that holds files, by path.
//
// Its inode tables and journal are written out now, so that no guest spends its first minutes on that. The files are
// put in one by one: mke2fs -d takes order, owner, mode and times from the machine's file system, and the disk's bytes
// would depend on it.
func makeDisk(ctx context.Context, r diskRecipe, files map[string][]byte, to, scratch string) error {
	tree := filepath.Join(scratch, "disk")
	if err := writeTree(tree, files); err != nil {
		return err
	}
	if err := writeFile(to, nil); err != nil {
		return err
	}
	if err := os.Truncate(to, r.SizeMiB<<20); err != nil {
		return err
	}
	_, err := command{env: buildTime(), args: []string{
		"mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-U", r.UUID,
		"-E", "hash_seed=" + r.HashSeed + ",root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard", to,
	}}.run(ctx)
	if err != nil {
		return fmt.Errorf("make the disk: %w", err)
	}
	script := filepath.Join(scratch, "disk.debugfs")
	if err := writeFile(script, debugfsScript(files)); err != nil {
		return err
	}
	out, err := command{dir: tree, env: buildTime(), args: []string{"debugfs", "-w", "-f", script, to}}.run(ctx)
	if err != nil {
		return fmt.Errorf("make the disk: %w", err)
	}
	// debugfs exits with 0 whatever happened. It echoes each command and numbers new inodes; the rest are complaints.
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "debugfs") && !strings.HasPrefix(line, "Allocated inode:") {
			return fmt.Errorf("make the disk: debugfs said: %s", line)
		}
	}
	return nil
}

// debugfsScript makes the files' directories, then the files, from copies in the working directory, and sets all that
// the machine or the clock had a say in.
func debugfsScript(files map[string][]byte) []byte {
	const directory, regular = "040755", "0100644"
	modes := map[string]string{"/": directory}
	for name := range files {
		p := "/" + name
		for modes[p] = regular; p != "/"; {
			p = path.Dir(p)
			modes[p] = directory
		}
	}
	var b strings.Builder
	for _, p := range sortedKeys(modes) { // a directory sorts before what is in it
		switch {
		case modes[p] == regular:
			fmt.Fprintf(&b, "write %s %s\n", p[1:], p)
		case p != "/":
			fmt.Fprintf(&b, "mkdir %s\n", p)
		}
	}
	modes["/lost+found"] = "040700"
	for _, p := range sortedKeys(modes) {
		fmt.Fprintf(&b, "set_inode_field %s mode %s\n", p, modes[p])
		for _, field := range []string{"uid", "gid", "atime_extra", "mtime_extra", "ctime_extra", "crtime_extra"} {
			fmt.Fprintf(&b, "set_inode_field %s %s 0\n", p, field)
		}
		for _, field := range []string{"atime", "mtime", "ctime", "crtime"} {
			fmt.Fprintf(&b, "set_inode_field %s %s @1\n", p, field)
		}
	}
	return []byte(b.String())
}
