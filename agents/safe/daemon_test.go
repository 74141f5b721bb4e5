package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// Rules of the tests, beside the baseline's.
const (
	ruleWrite   = 200 // a write to a file of one of the names below
	ruleInspect = 201 // an execution of what is called suspect…
)

// A daemon is a running agent that watches a file system of the test's own.
type daemon struct {
	t       *testing.T
	cmd     *exec.Cmd
	socket  *os.File
	content string // the channel file
	dir     string // where the file system is mounted
}

// daemons builds both user-mode agents, with an inspector that rejects what has "bad" in its path, and runs f with each.
func daemons(t *testing.T, f func(t *testing.T, program, inspector string)) {
	capability.Tools(t, "gcc", "gcc")
	dir := t.TempDir()
	public, _ := content.TestVendorKey()
	header := fmt.Sprintf("#define FF_VENDOR_KEY {%s}\n", strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(public)), " ", ","), "[]"))
	if err := os.WriteFile(filepath.Join(dir, "vendor_key.h"), []byte(header), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, build := range map[string]func(t *testing.T, program, inspector string){
		"user": func(t *testing.T, program, inspector string) {
			args := []string{"-O2", "-static", "-Wall", "-Wextra", "-Werror", "-I", dir, "-DAGENT_INSPECTOR=\"" + inspector + "\"", "-o", program}
			for _, folder := range []string{"../user", "../daemon", "../interpreter"} {
				sources, _ := filepath.Glob(folder + "/*.c")
				args = append(append(args, "-I", folder), sources...)
			}
			build(t, "gcc", args...)
		},
		"safe": func(t *testing.T, program, inspector string) {
			build(t, "go", "build", "-ldflags", "-X main.inspector="+inspector, "-o", program, ".")
		},
	} {
		t.Run(name, func(t *testing.T) {
			own := t.TempDir()
			mountPoint := filepath.Join(own, "mnt")
			if err := os.Mkdir(mountPoint, 0o755); err != nil {
				t.Fatal(err)
			}
			needToWatch(t, mountPoint)
			program := filepath.Join(own, name)
			inspector := filepath.Join(own, "inspect")
			build(t, program, inspector)
			if err := os.WriteFile(inspector, []byte("#!/bin/sh\ncase $1 in *bad*) exit 1;; esac\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			f(t, program, inspector)
		})
	}
}

// needToWatch needs the right to decide about executions; it mounts a file system for the test.
func needToWatch(t *testing.T, dir string) {
	t.Helper()
	fd, err := newGroup(fanClassContent)
	capability.Need(t, err == nil, "fanotify with permission events", "run the tests as root")
	syscall.Close(fd)
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "")
	capability.Need(t, err == nil, "the right to mount", "run the tests as root")
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
}

// start runs the agent with the baseline and the tests' rules until the test ends.
func start(t *testing.T, program string) *daemon {
	t.Helper()
	d := &daemon{t: t, content: filepath.Join(t.TempDir(), "current.bin"), dir: filepath.Join(filepath.Dir(program), "mnt")}
	d.ship(testContent())
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.socket = os.NewFile(uintptr(ends[0]), "agent")
	theirs := os.NewFile(uintptr(ends[1]), "agent's end")
	defer theirs.Close()
	d.cmd = exec.Command(program, d.content, d.dir)
	d.cmd.Stderr, d.cmd.ExtraFiles, d.cmd.Dir = t.Output(), []*os.File{theirs}, "/"
	startGroup(t, d.cmd)
	t.Cleanup(func() { d.socket.Close() })
	d.expect("loaded 1")
	d.expect("ready 1")
	return d
}

// testContent is the baseline with rules for what it has none of.
func testContent() content.File {
	f := content.Baseline(1)
	process := make([]content.Criterion, len(content.Fields()))
	process[imageName] = content.Criterion{Op: content.Prefix, Value: "suspect"}
	file := make([]content.Criterion, len(content.FileFields()))
	file[0] = content.Criterion{Op: content.Equals, Value: content.Write}
	file[1] = content.AnyOf(content.Criterion{Op: content.Equals, Value: "written"}, content.Criterion{Op: content.Equals, Value: "mapped"})
	f.Instances = append(f.Instances,
		content.Instance{ID: ruleInspect, TemplateID: content.ProcessTemplate, Action: content.Inspect, Name: "suspect", Criteria: process},
		content.Instance{ID: ruleWrite, TemplateID: content.FileTemplate, Action: content.Detect, Name: "write", Criteria: file})
	return f
}

func (d *daemon) ship(f content.File) {
	d.t.Helper()
	body, err := content.Encode(f)
	if err != nil {
		d.t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	d.write(content.Sign(body, key))
}

// update returns an update that has this fault.
func (d *daemon) update(name string, version uint64) []byte {
	d.t.Helper()
	fault, err := content.FindFault(name)
	d.must(err)
	_, key := content.TestVendorKey()
	file, err := fault.Update(version, 1, nil, key)
	d.must(err)
	return file
}

func (d *daemon) write(file []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.content, file, 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// expect wants this to be the agent's next line; "*" in it is for a process's number.
func (d *daemon) expect(want string) {
	d.t.Helper()
	var buffer [maxLine]byte
	d.must(d.socket.SetReadDeadline(time.Now().Add(patience)))
	n, err := d.socket.Read(buffer[:])
	if err != nil {
		d.t.Fatalf("the agent says no more: %v; want %q", err, want)
	}
	words := strings.SplitN(strings.TrimSuffix(string(buffer[:n]), "\n"), " ", 5)
	if wanted := strings.SplitN(want, " ", 5); len(words) == 5 && len(wanted) == 5 && wanted[3] == "*" {
		words[3] = "*"
	}
	if got := strings.Join(words, " "); got != want {
		d.t.Errorf("the agent says %q, want %q", got, want)
	}
}

func (d *daemon) say(line string) {
	d.t.Helper()
	if _, err := d.socket.WriteString(line + "\n"); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) in(name string) string { return filepath.Join(d.dir, name) }

// programs puts programs that do nothing into the watched file system.
func (d *daemon) programs(names ...string) {
	d.t.Helper()
	source := filepath.Join(d.t.TempDir(), "main.c")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		build(d.t, "gcc", "-static", "-o", d.in(name), source)
	}
}

// run executes a program and wants it refused, or not.
func (d *daemon) run(name string, refused bool) {
	d.t.Helper()
	err := exec.CommandContext(d.t.Context(), d.in(name)).Run()
	if refused && !errors.Is(err, syscall.EPERM) || !refused && err != nil {
		d.t.Errorf("executing %s: %v, want it refused: %v", name, err, refused)
	}
}

func (d *daemon) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}
