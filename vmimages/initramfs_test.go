package vmimages

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

func TestInitramfs(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) []byte {
		tree := initramfs{}
		tree.bytes("opt/fleetfall/work", []byte("work"), 0o755)
		tree.bytes("init", []byte("init"), 0o755)
		tree.dir("tmp", 0o1777)
		file := filepath.Join(dir, name)
		if err := tree.write(file); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := write("a")
	if !bytes.Equal(data, write("b")) {
		t.Error("the same tree gives other bytes the second time")
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprintf("%s %o %d:%d %d", r.Name, r.Mode, r.UID, r.GID, r.MTime))
	}
	want := []string{
		"init 100755 0:0 0", "opt 40755 0:0 0", "opt/fleetfall 40755 0:0 0", "opt/fleetfall/work 100755 0:0 0", "tmp 41777 0:0 0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
