package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// as runs a shell's script as an account, and returns what it said.
func as(t *testing.T, a account.Account, dir, script string) (string, error) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir, cmd.SysProcAttr = "/", a.Attributes()
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "W=" + dir, "LC_ALL=C"}
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// neighbours are accounts of others on this machine while a run of root's goes on.
func neighbours(t *testing.T) *Hypervisor {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another account")
	}
	images(t)
	h := open(t)
	if !h.site.Account.Own || h.site.Account.UID < account.First || h.Facts().Account != fmt.Sprintf("user %d, of this run alone", h.site.Account.UID) {
		t.Fatalf("QEMU runs as %+v, provenance says %q", h.site.Account, h.Facts().Account)
	}
	return h
}

// What an account that has nothing to do with a run can do to it: nothing.
func TestAnotherAccount(t *testing.T) {
	h := neighbours(t)
	other := open(t, func(c *Config) { c.WorkRoot = filepath.Join(scratch.dir, "w") })
	if other.site.Account.UID == h.site.Account.UID {
		t.Fatalf("two runs share user %d", h.site.Account.UID)
	}
	prepareVirtual(t, h, scratch.tiny)
	wall := start(t, h, scratch.tiny, 1, func(c *vm.FleetConfig) { c.Hosts[0].Architecture = "kernel" })
	virtual := start(t, h, scratch.tiny, 1, func(c *vm.FleetConfig) {
		c.Clock, c.Hosts[0].Architecture, c.Hosts[0].Name = fleet.VirtualClock, "kernel", "virtual"
	})
	wall.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
	virtual.do(fleet.Boot{Host: "virtual", Mode: fleet.Normal})
	await[fleet.Beat](wall, "host-0")
	await[fleet.Beat](virtual, "virtual")

	// All that there is, as root sees it, is out of the others' reach.
	var there []string
	err := filepath.WalkDir(h.site.Work.Path, func(path string, _ fs.DirEntry, err error) error {
		there = append(there, path)
		return err
	})
	if err != nil || !slices.ContainsFunc(there, func(p string) bool { return strings.HasSuffix(p, "/monitor.sock") }) ||
		!slices.ContainsFunc(there, func(p string) bool { return strings.HasSuffix(p, ".bell") }) ||
		!slices.ContainsFunc(there, func(p string) bool { return strings.HasSuffix(p, ".tty.out") }) ||
		!slices.ContainsFunc(there, func(p string) bool { return strings.HasSuffix(p, ".vsp") }) {
		t.Fatalf("%d files, %v: %q", len(there), err, there)
	}
	for name, a := range map[string]account.Account{"nobody": daemontest.Stranger(), "another run's QEMU": other.site.Account} {
		for _, path := range there {
			// To come by anything is refused, or the directory that it is in.
			said, err := as(t, a, path, `for use in "[ -e $W ]" "[ -r $W ]" "[ -w $W ]"; do if eval "$use" && [ ! -d "$W" ]; then echo "$use"; fi; done
				if [ -d "$W" ] && { ls "$W" || touch "$W/x" || cd "$W"; }; then echo entered; fi 2>/dev/null`)
			if said = strings.TrimSpace(strings.ReplaceAll(said, "ls: cannot access", "")); strings.Contains(said, "[ -") || strings.Contains(said, "entered") {
				t.Errorf("%s comes by %s: %s %v", name, path, said, err)
			}
		}
	}
	if err := wall.Close(t.Context()); err != nil {
		t.Error(err)
	}
	virtual.close() // and of neither is anything left
}

// What who has got out of a guest can do, a process of the run's own account: to the hosts of its run, and neither to
// root's files and processes nor to this one.
func TestOutOfTheGuest(t *testing.T) {
	h := neighbours(t)
	secret := filepath.Join(scratch.dir, "secret")
	if err := os.WriteFile(secret, []byte("root's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	prepareVirtual(t, h, scratch.tiny)
	r := start(t, h, scratch.tiny, 2, func(c *vm.FleetConfig) {
		c.Clock = fleet.VirtualClock
		c.Hosts[0].Architecture, c.Hosts[1].Architecture = "kernel", "kernel"
	})
	r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal}, fleet.Boot{Host: "host-1", Mode: fleet.Normal})
	await[fleet.Beat](r, "host-0")
	await[fleet.Beat](r, "host-1")

	for what, script := range map[string]string{
		"make a name of ours":       "ln -s " + secret + " $W/files/ff-link",
		"remove a name of ours":     "rm $W/files/" + r.Fleet.(vms).DomainOf("host-0") + ".disk",
		"read the names":            "ls $W/files",
		"move a name of ours":       "mv $W/files $W/elsewhere",
		"read the owner's file":     "cat $W/owner.json",
		"write the owner's file":    "echo > $W/owner.json",
		"change what is known":      "chmod 0777 $W/files",
		"read what is root's alone": "cat " + secret,
	} {
		if said, err := as(t, h.site.Account, h.site.Work.Path, script); err == nil {
			t.Errorf("%s: it could\n%s", what, said)
		}
	}

	// What it leaves where the daemon makes files is not followed, not waited for, and not believed.
	files := h.site.Local
	for name, script := range map[string]string{
		"link to a file of root": "ln -s " + secret + " $W/made/%s",
		"link to a file":         "echo x > $W/made/real; ln -s real $W/made/%s && chmod 0666 $W/made/real",
		"pipe":                   "mkfifo $W/made/%s",
		"directory":              "mkdir $W/made/%s",
	} {
		file := strings.ReplaceAll(name, " ", "-")
		if said, err := as(t, h.site.Account, h.site.Work.Path, fmt.Sprintf(script, file)); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, said)
		}
		data, err := files.Read(t.Context(), file, 100)
		if name != "link to a file" && err == nil || strings.Contains(string(data), "root's") {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
		if err := files.Remove(t.Context(), file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A process of root's whose number stands in the account's file goes on, whatever ends.
	bystander := exec.Command("sleep", "1000")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := bystander.Process.Kill(); err != nil {
			t.Errorf("a process of root's was ended: %v", err)
		}
		_ = bystander.Wait()
	}()
	domain := r.Fleet.(vms).DomainOf("host-0")
	for _, pid := range []int{bystander.Process.Pid, os.Getpid(), 1} {
		said, err := as(t, h.site.Account, h.site.Work.Path, fmt.Sprintf("echo %d > $W/r/libvirt/qemu/run/%s.pid", pid, domain))
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		if got := h.site.PIDOf(domain); got != 0 {
			t.Errorf("process %d, which is root's, is taken for the account's", got)
		}
	}
	if got := qemu.Orphans.Follow(bystander.Process.Pid); got != 0 {
		t.Errorf("process %d, which is no QEMU, is followed", got)
	}

	// A mailbox that it cuts short is one host's failure. Who has the guest's file open is the guest's QEMU, which
	// ends as well.
	said, err := as(t, h.site.Account, h.site.Work.Path, "truncate -s 0 $W/files/"+domain+".mailbox")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	failed := awaitInfra(r, "host-0")
	t.Logf("cut short: %+v", failed)
	await[fleet.Beat](r, "host-1")
	r.close()

	kept, err := os.ReadFile(secret)
	info, statErr := os.Stat(secret)
	if err := errors.Join(err, statErr); err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); string(kept) != "root's own" || stat.Uid != 0 || info.Mode() != 0o600 {
		t.Errorf("root's file is %q, %v, of user %d", kept, info.Mode(), stat.Uid)
	}
}

// The umask of whoever starts a run decides nothing.
func TestUmask(t *testing.T) {
	h := neighbours(t)
	for _, umask := range []int{0, 0o077} {
		was := syscall.Umask(umask)
		id := randomID()
		w, err := workdir.Create(Config{RunID: id, WorkRoot: filepath.Join(scratch.dir, "u"+strconv.Itoa(umask))}.work())
		syscall.Umask(was)
		if err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{
			filepath.Dir(w.Path): 0o711, w.Path: 0o710, w.Ours(""): 0o710, w.Made(""): 0o700,
			filepath.Join(w.Path, "r"): 0o700, filepath.Join(w.Path, workdir.OwnerFile): 0o600,
		} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %s: %v, %v, want %v", umask, path, info.Mode(), err, want)
			}
		}
		if err := w.Remove(); err != nil {
			t.Error(err)
		}
	}
	// What the daemon and QEMU have made under this process's umask is nobody else's.
	err := filepath.WalkDir(h.site.Work.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == h.site.Work.Path || path == h.site.Work.Ours("") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o007 != 0 { // whose group is the account's own
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A file of ours whose user is not root is shared with one other by an access control list.
func TestAccessControlLists(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another account")
	}
	dir, err := os.MkdirTemp("/var/tmp", "ffacl-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	one, two := account.Account{UID: 64055, GID: 64055, Other: true, Listed: true}, daemontest.Stranger()
	top, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	file, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := errors.Join(one.Enter(top), one.Use(file)); err != nil {
		t.Fatal(err)
	}
	if said, err := as(t, one, dir, "echo x > $W/file && cat $W/file"); err != nil {
		t.Errorf("who is listed: %v\n%s", err, said)
	}
	if said, err := as(t, one, dir, "echo x > $W/another"); err == nil {
		t.Errorf("made a name of ours\n%s", said)
	}
	if said, err := as(t, two, dir, "cat $W/file"); err == nil {
		t.Errorf("who is not listed: %s", said)
	}
	if err := one.Fill(top); err != nil {
		t.Fatal(err)
	}
	if said, err := as(t, one, dir, "umask 0; echo x > $W/another"); err != nil {
		t.Errorf("where it makes files: %v\n%s", err, said)
	}
	if said, err := as(t, two, dir, "cat $W/another"); err == nil {
		t.Errorf("who is not listed reads what was made: %s", said)
	}
}
