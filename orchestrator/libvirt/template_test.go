package libvirt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

func prepare(t *testing.T, h *Hypervisor, image vmimages.Image, architecture string) Preparation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p, err := h.Prepare(ctx, image, fleet.HostSpec{Image: image.Name, Architecture: architecture, MemoryBytes: 96 << 20}, fleet.WallClock)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bootAll boots every host of a fleet and returns, by host, what it said first, once all agents run.
func (r *run) bootAll(hosts int) (booting map[string]fleet.Booting, hello map[string]fleet.Hello) {
	r.t.Helper()
	booting, hello = map[string]fleet.Booting{}, map[string]fleet.Hello{}
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	for i := range hosts {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
	}
	for running := map[string]bool{}; len(running) < hosts; {
		e, err := r.Next(ctx)
		if err != nil {
			r.t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		switch w := e.What.(type) {
		case fleet.Booting:
			booting[e.Host] = w
		case fleet.Hello:
			hello[e.Host] = w
		case fleet.Beat:
			if w.AgentState == "running" {
				running[e.Host] = true
			}
		case fleet.InfraFailed, fleet.BootFailed, fleet.Panic:
			r.t.Fatalf("%v\n%s", e, r.story())
		}
	}
	return booting, hello
}

// guestMemory is all the memory of a host's guest, read by QEMU: from outside, and whatever the guest says of itself.
func (r *run) guestMemory(host string) []byte {
	r.t.Helper()
	var memory []byte
	for size := uint64(96 << 20); uint64(len(memory)) < size; { // as start has it
		const atMost = 2 << 20 // of libvirt's 4 MiB in one answer
		err := r.h.site.Line.Call(r.t.Context(), "read the guest's memory", connect.CreateTime, func(l *golibvirt.Libvirt) error {
			domain, err := l.DomainLookupByName(r.Fleet.(vms).DomainOf(host))
			if err != nil {
				return err
			}
			part, err := l.DomainMemoryPeek(domain, uint64(len(memory)), uint32(min(atMost, size-uint64(len(memory)))), golibvirt.MemoryPhysical)
			memory = append(memory, part...)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return memory
}

// hostNames are the names that the kernel of this release has for its machine in a guest's memory, "(none)" before it
// has one: nodename in struct new_utsname of its include/uapi/linux/utsname.h, wherever that lies.
func hostNames(memory []byte, release string) []string {
	const field = 65 // bytes, padded with zeros
	system := make([]byte, field)
	copy(system, "Linux")
	names := map[string]bool{}
	for {
		i := bytes.Index(memory, system)
		if i < 0 || len(memory) < i+3*field {
			return slices.Sorted(maps.Keys(names))
		}
		name, after := memory[i+field:i+2*field], memory[i+2*field:i+3*field]
		if strings.TrimRight(string(after), "\x00") == release {
			names[strings.TrimRight(string(name), "\x00")] = true
		}
		memory = memory[i+1:]
	}
}

// likeness is a host of tests.
func likeness(image vmimages.Image, architecture string) fleet.HostSpec {
	return fleet.HostSpec{Image: image.Name, Architecture: architecture, MemoryBytes: 96 << 20}
}

// ownTemplates has a test make its templates itself.
func ownTemplates(c *Config) { c.Cache = "" }

// Hosts that start as copies are hosts of their own, beside one that does not.
func TestCopies(t *testing.T) {
	tiny, _ := images(t)
	h := open(t, ownTemplates)
	const hosts, cold = 4, "host-3"
	for _, architecture := range []string{"kernel", "user"} {
		p := prepare(t, h, tiny, architecture)
		if !p.Copies || p.Reason != "booted for this run" || p.Boot.FirstByte <= 0 || p.Boot.Asked <= p.Boot.FirstByte {
			t.Fatalf("%+v", p)
		}
		template := h.site.TemplateFor(likeness(tiny, architecture), fleet.WallClock, fleet.Normal)
		memory, err := os.ReadFile(template.RAM)
		if err != nil {
			t.Fatal(err)
		}
		if names := hostNames(memory, tiny.KernelRelease); !slices.Equal(names, []string{"(none)"}) {
			t.Errorf("the template's guest has the names %q before it is told who it is", names)
		}
		r := start(t, h, tiny, hosts, func(c *vm.FleetConfig) {
			for i := range c.Hosts {
				c.Hosts[i].Architecture, c.Hosts[i].Cold = architecture, c.Hosts[i].Name == cold
			}
		})
		booting, hello := r.bootAll(hosts)
		ids := map[string]bool{} // made of random numbers, by each guest
		for host, b := range booting {
			ids[hello[host].BootID] = true
			if b.Cloned == (host == cold) || b.Mode != fleet.Normal {
				t.Errorf("%s: %+v", host, b)
			}
			if made := strings.Contains(r.console(host), "[fleetfall: a copy of"); made == (host == cold) {
				t.Errorf("%s: the console's log says otherwise:\n%s", host, r.console(host))
			}
			for _, failed := range []string{"guest: entropy: ", "guest: host name: ", "guest: clock: "} {
				if strings.Contains(r.console(host), failed) {
					t.Errorf("%s could not be made what it is told to be:\n%s", host, r.console(host))
				}
			}
		}
		for _, host := range []string{"host-0", "host-1"} {
			if names := hostNames(r.guestMemory(host), tiny.KernelRelease); !slices.Contains(names, host) {
				t.Errorf("%s's guest has the names %q", host, names)
			}
		}
		if len(ids) != hosts {
			t.Errorf("%d boot IDs of %d hosts: %v", len(ids), hosts, ids)
		}
		r.close()
		after, err := os.ReadFile(template.RAM)
		if err != nil || !bytes.Equal(memory, after) {
			t.Errorf("the template's memory has changed under its copies (%v)", err)
		}
	}
}

// A copy that is reset boots, by itself, from its own disk.
func TestResetOfACopy(t *testing.T) {
	tiny, _ := images(t)
	h := open(t, ownTemplates)
	if p := prepare(t, h, tiny, "user"); !p.Copies {
		t.Fatal(p.Reason)
	}
	r := start(t, h, tiny, 2, func(c *vm.FleetConfig) { c.Hosts[0].Architecture, c.Hosts[1].Architecture = "user", "user" })
	_, hello := r.bootAll(2)
	const host = "host-0"
	r.do(fleet.Offer(2, channelFile(t, 2, "none")).To(host))
	await(r, host, func(b fleet.Beat) bool { return b.ContentVersion == 2 })
	r.do(fleet.Reset{Host: host})
	if b := await[fleet.Booting](r, host); b.Cloned {
		t.Error("a reset made another copy")
	}
	again := await[fleet.Hello](r, host)
	if again.BootID == hello[host].BootID || again.ContentVersion != 2 {
		t.Errorf("first %+v, after the reset %+v", hello[host], again)
	}
	if !strings.Contains(r.console(host), "SeaBIOS") {
		t.Errorf("no firmware on the console after a reset:\n%s", r.console(host))
	}
	await(r, host, func(b fleet.Beat) bool { return b.AgentState == "running" && b.ContentVersion == 2 })
	// The other copy has a disk of its own.
	if b := await[fleet.Beat](r, "host-1"); b.ContentVersion != tiny.Lock.ContentVersion || b.BootID != hello["host-1"].BootID {
		t.Errorf("%+v", b)
	}
	r.close()
}

// Where copies are impossible the reason is said, and hosts boot.
func TestNoCopies(t *testing.T) {
	tiny, _ := images(t)
	h := open(t, ownTemplates)

	broken := tiny
	broken.Name, broken.Digest, broken.Initrd = "broken", "sha256:broken", filepath.Join(scratch.dir, "broken")
	if err := os.WriteFile(broken.Initrd, []byte("no archive"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := prepare(t, h, broken, "none")
	if p.Copies || !strings.Contains(p.Reason, "the guest crashed: ") || !strings.Contains(p.Reason, "Unable to mount root fs") {
		t.Errorf("%+v", p)
	}
	r := start(t, h, broken, 1)
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	if b := await[fleet.Booting](r, "host-0"); b.Cloned {
		t.Error("a copy of a host that never booted")
	}
	await[fleet.Panic](r, "host-0") // which is the subject's doing
	r.close()

	// What is to be the memory of the template cannot be made.
	const architecture = "user"
	inTheWay := h.site.Local.Path(h.templateName(vm.KindOf(likeness(tiny, architecture), fleet.WallClock, fleet.Normal)) + template.RAMSuffix)
	if err := os.MkdirAll(filepath.Join(inTheWay, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	p = prepare(t, h, tiny, architecture)
	if p.Copies || !strings.Contains(p.Reason, inTheWay) {
		t.Errorf("%+v", p)
	}
	r = start(t, h, tiny, 1, func(c *vm.FleetConfig) { c.Hosts[0].Architecture = architecture })
	if booting, _ := r.bootAll(1); booting["host-0"].Cloned {
		t.Error("a copy without a template")
	}
	r.close()
}

// A template that was kept is used by the next run. One that is of no use is noticed before a host depends on it, made
// again and kept in the place of the other.
func TestKeptTemplate(t *testing.T) {
	tiny, _ := images(t)
	cache := t.TempDir()
	const architecture = "user"
	var dir string
	// next is what the next run makes of what is kept.
	next := func(t *testing.T, want string) {
		t.Helper()
		h := open(t, func(c *Config) { c.Cache = cache })
		p := prepare(t, h, tiny, architecture)
		key, err := h.templateKey(tiny, vm.KindOf(likeness(tiny, architecture), fleet.WallClock, fleet.Normal))
		if err != nil {
			t.Fatal(err)
		}
		dir = h.shelf.(*template.Cache).Dir(key)
		if !p.Copies || p.Reason != want+dir || p.Boot.Asked == 0 {
			t.Fatalf("%+v, want one that is %s%s", p, want, dir)
		}
		r := start(t, h, tiny, 2, func(c *vm.FleetConfig) { c.Hosts[0].Architecture, c.Hosts[1].Architecture = architecture, architecture })
		booting, _ := r.bootAll(2)
		for host, b := range booting {
			if !b.Cloned {
				t.Errorf("%s is no copy", host)
			}
		}
		r.close()
	}
	const made, kept = "booted for this run, and kept in ", "kept in "
	t.Run("first", func(t *testing.T) { next(t, made) })
	t.Run("second", func(t *testing.T) { next(t, kept) })
	half := func(data []byte) []byte { return data[:len(data)/2] }
	for name, damage := range map[string]struct {
		file   string
		change func([]byte) []byte
	}{
		"memory cut short":        {template.RAMFile, half},
		"no memory":               {template.RAMFile, func([]byte) []byte { return nil }},
		"a description cut short": {template.File, half},
		"a flipped bit in the state": {template.StateFile, func(data []byte) []byte {
			data[len(data)/3] ^= 0x80
			return data
		}},
		"a description of another template": {template.File, func(data []byte) []byte {
			return bytes.Replace(data, []byte(`"key": "`), []byte(`"key": "another-`), 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			alterFile(t, filepath.Join(dir, damage.file), damage.change)
			next(t, made)
		})
	}
	// Its seals are right, and QEMU refuses it.
	for name, alter := range map[string]func([]byte) []byte{
		"of another QEMU": func(state []byte) []byte { return bytes.Replace(state, []byte("pc-q35-"), []byte("pc-q53-"), 1) },
		"no stream":       func([]byte) []byte { return []byte("no stream") },
		"half a stream":   half,
	} {
		t.Run(name, func(t *testing.T) {
			var changed []byte
			alterFile(t, filepath.Join(dir, template.StateFile), func(state []byte) []byte {
				changed = alter(bytes.Clone(state))
				if bytes.Equal(state, changed) {
					t.Fatal("a state without the machine's type")
				}
				return changed
			})
			alterFile(t, filepath.Join(dir, template.File), func(text []byte) []byte {
				var k template.Kept
				err := json.Unmarshal(text, &k)
				k.Files[template.StateFile] = template.SealOf(changed)
				if err == nil {
					text, err = json.Marshal(k)
				}
				if err != nil {
					t.Fatal(err)
				}
				return text
			})
			next(t, made)
		})
	}
	t.Run("last", func(t *testing.T) { next(t, kept) })
	if kept, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(kept) != 1 {
		t.Errorf("kept: %v, %v, want %s alone", kept, err, filepath.Base(dir))
	}
}

// alterFile changes what is in a file; nil takes it away.
func alterFile(t *testing.T, path string, alter func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data = alter(data); data == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
