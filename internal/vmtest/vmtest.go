// Package vmtest boots an image with a test's own program in the place of the guest program.
package vmtest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/vmimages"
)

const (
	patience = 2 * time.Minute // for a boot and the trial: far more than they take, and less than the test may
	begin    = "trial: "       // of a line that the program prints for the test
)

// Run builds the Go program of the folder, boots the image tiny with it as the first process, under emulation, and waits until it
// powers the machine off. It returns the lines that the program has printed behind "trial: ", in order, and all that the console
// has shown.
func Run(t *testing.T, folder string) (lines []string, console []byte) {
	t.Helper()
	capability.VMs(t)
	image, err := vmimages.Build(t.Context(), "tiny", vmimages.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, initrd, shown := filepath.Join(dir, "trial"), filepath.Join(dir, "initrd"), filepath.Join(dir, "console")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, folder)
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
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-accel", "tcg", "-m", "96", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", image.Kernel, "-initrd", initrd, "-append", strings.Join(append(image.Cmdline, "panic=-1"), " "),
		"-serial", "file:"+shown)
	out, err := qemu.CombinedOutput()
	console, _ = os.ReadFile(shown)
	if err != nil {
		t.Fatalf("%v\n%s\nconsole:\n%s", err, out, console)
	}
	for line := range strings.Lines(string(console)) {
		if _, said, ok := strings.Cut(strings.TrimSpace(line), begin); ok {
			lines = append(lines, said)
		}
	}
	return lines, console
}
