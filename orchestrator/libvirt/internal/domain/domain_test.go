package domain

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestXML holds what libvirt is told, to the byte: templates are kept under keys that depend on it.
func TestXML(t *testing.T) {
	kernel := Kernel{
		Image:        vmimages.Image{Kernel: "/images/kernel", Initrd: "/images/initramfs", Cmdline: []string{"console=ttyS0", "panic=0"}},
		Architecture: "kernel", Mode: fleet.Safe,
	}
	base := Domain{
		Name: "ff-run001-1-web-1", Title: "kernel/u/r/r web-1", UUID: [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89}, Memory: 96 << 20,
		CPU: Emulation{}, Kernel: kernel, Disk: Overlay{"/w/disks/a.qcow2"}, Console: Socket{"/w/sockets/a.tty"}, Link: Channel{"/w/sockets/a.vsp"},
	}
	virtual := func(d *Domain) {
		d.Clock = Instructions{time.Date(2024, time.July, 19, 4, 9, 0, 0, time.UTC)}
		d.Disk, d.Console, d.Link = MemoryDisk{"/w/disks/a,1", 16 << 20}, Pipe{"/w/sockets/a.tty"}, Mailbox{"/w/a.mailbox", "/w/a.bell"}
	}
	for name, change := range map[string]func(*Domain){
		"tcg": func(*Domain) {},
		"kvm": func(d *Domain) { d.CPU = KVM{} },
		"kill": func(d *Domain) {
			k := kernel
			k.Oops = fleet.OopsKill
			d.Kernel = k
		},
		"remote":           func(d *Domain) { d.Console, d.Link = Terminal{}, Channel{} },
		"template":         func(d *Domain) { d.RAM = File{"/w/ram,2", true} },
		"copy":             func(d *Domain) { d.RAM, d.Kernel = File{"/w/ram,2", false}, nil },
		"virtual":          virtual,
		"virtual-template": func(d *Domain) { virtual(d); d.RAM = File{"/w/ram,2", true} },
		"virtual-copy":     func(d *Domain) { virtual(d); d.RAM, d.Kernel = File{"/w/ram,2", false}, nil },
	} {
		d := base
		change(&d)
		got, err := d.XML()
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".xml")
		if *update {
			if err := os.WriteFile(golden, []byte(got+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got+"\n"); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
	kernel.Image.Cmdline = []string{strings.Repeat("x", maxCmdline)}
	base.Kernel = kernel
	if _, err := base.XML(); err == nil {
		t.Error("a command line that the kernel would cut was accepted")
	}
}
