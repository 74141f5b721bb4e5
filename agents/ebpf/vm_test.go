package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/vmimages"
)

// TestAgent has the image's kernel verify and call the programs: testdata/trial, in the place of the guest program, does what
// they are to see and prints what the agent says of it.
func TestAgent(t *testing.T) {
	capability.VMs(t)
	image, err := vmimages.Build(t.Context(), "tiny", vmimages.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(`
start: loaded 1; ready 1
execute: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
execute another: done
map: done; 5 detect threat-mmap-1
map a device: done
map privately: done
rename: done; 7 detect threat-rename-1
rename away: done
delete: done; 8 detect agent-state-1
delete another: done
load a module: exec format error; 6 detect module_load
field count: loaded 3
field count, execute: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
inspect: refused 4 rule 1: inspect is not supported: a BPF program cannot start another program
cut off: refused 0 too short for a channel file
missing: refused 0 cannot read open /run/current.bin: no such file or directory
after refusals: fork/exec /opt/fleetfall/threat-exec: permission denied; 1 block /opt/fleetfall/threat-exec
without agent: done`), "\n")
	inputs := map[string]bool{}
	var got []string
	console := runTrial(t, image)
	for line := range strings.Lines(string(console)) {
		_, said, ok := strings.Cut(strings.TrimSpace(line), "trial: ")
		field, isInput := strings.CutPrefix(said, "input ")
		switch {
		case ok && isInput:
			name, found, _ := strings.Cut(field, ":")
			inputs[name] = strings.TrimSpace(found) == "100 detect /opt/fleetfall/service"
		case ok:
			got = append(got, said)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\nconsole:\n%s", diff, console)
	}
	if len(inputs) != content.SensorFields {
		t.Errorf("%d inputs were looked at, want %d", len(inputs), content.SensorFields)
	}
	for name, right := range inputs {
		if !right {
			t.Errorf("input %s is not what the machine says; console:\n%s", name, console)
		}
	}
}

// runTrial boots the image with testdata/trial as its first process, and returns what the console showed until it was off.
func runTrial(t *testing.T, image vmimages.Image) []byte {
	t.Helper()
	dir := t.TempDir()
	program, initrd, console := filepath.Join(dir, "trial"), filepath.Join(dir, "initrd"), filepath.Join(dir, "console")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/trial")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel unpacks archives that follow one another; what comes later replaces what was there.
	archive, err := os.ReadFile(image.Initrd)
	if err != nil {
		t.Fatal(err)
	}
	var over bytes.Buffer
	w := cpio.Newc.Writer(&over)
	if err := w.WriteRecord(cpio.StaticFile("init", string(code), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(initrd, append(archive, over.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	const patience = 2 * time.Minute // far more than it takes, and less than the test may
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-accel", "tcg", "-m", "96", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", image.Kernel, "-initrd", initrd, "-append", strings.Join(append(image.Cmdline, "panic=-1"), " "),
		"-serial", "file:"+console)
	out, err := qemu.CombinedOutput()
	shown, _ := os.ReadFile(console)
	if err != nil {
		t.Fatalf("%v\n%s\nconsole:\n%s", err, out, shown)
	}
	return shown
}
