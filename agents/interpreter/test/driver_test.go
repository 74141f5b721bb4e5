package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/internal/capability"
)

// A build is how the interpreter is compiled.
type build struct {
	name  string
	flags []string
}

var (
	sanitized = build{"sanitized", []string{"-O1", "-g", "-fno-omit-frame-pointer",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}}
	// user is built as the daemons are.
	user = build{"user", []string{"-O2", "-static"}}
	// kernel has the flags of the kernel's own build on x86-64 that change what the compiler may do, but for those by which a program
	// could not be linked: it runs here as a process.
	kernel = build{"kernel", []string{"-O2", "-std=gnu11", "-ffreestanding", "-mno-sse", "-mno-mmx", "-mno-80387", "-mno-red-zone",
		"-fno-pie", "-no-pie", "-fno-strict-aliasing", "-fno-common", "-fno-delete-null-pointer-checks",
		"-fno-strict-overflow", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"}}
	// fieldBuilds are those that agents run in the field, builds all that the interpreter must behave the same in.
	fieldBuilds = []build{user, kernel}
	builds      = []build{sanitized, user, kernel}

	warnings = []string{"-Wall", "-Wextra", "-Werror", "-Wvla", "-Wdeclaration-after-statement", "-Wmissing-prototypes"}
)

// sources lists the interpreter's C files.
func sources(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../*.c")
	if err != nil || len(files) == 0 {
		t.Fatalf("no C files of the interpreter found: %v", err)
	}
	return files
}

// compile runs the compiler and returns the program it made.
func compile(t testing.TB, compiler string, flags []string, files ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	args := append([]string{"-I", "..", "-I", "harness", "-o", program}, flags...)
	out, err := exec.CommandContext(t.Context(), compiler, append(args, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", compiler, strings.Join(flags, " "), err, out)
	}
	return program
}

// buildDriver compiles the driver with the interpreter.
func buildDriver(t testing.TB, compiler string, b build) string {
	t.Helper()
	return compile(t, compiler, slices.Concat(warnings, b.flags),
		append(sources(t), "harness/driver.c")...)
}

// forEachCompiler runs f as a subtest with each compiler that the kernel can be built with.
func forEachCompiler(t *testing.T, f func(t *testing.T, compiler string)) {
	for _, compiler := range []string{"gcc", "clang"} {
		t.Run(compiler, func(t *testing.T) {
			capability.Tools(t, compiler, compiler)
			f(t, compiler)
		})
	}
}

// A driver is a running harness/driver.c.
type driver struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// start runs a driver until the test ends.
func start(t testing.TB, program string, args ...string) *driver {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	d := &driver{t: t, cmd: exec.CommandContext(ctx, program, args...)}
	d.cmd.Stderr = &d.stderr
	in, err := d.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.in, d.out = in, bufio.NewReaderSize(out, 1<<20)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = d.cmd.Wait() // what it says of a driver that died or was killed here has been looked at already
	})
	return d
}

// ask sends a command and returns the line of answer.
func (d *driver) ask(format string, args ...any) string {
	d.t.Helper()
	answer, err := d.try(format, args...)
	if err != nil {
		_ = d.cmd.Wait()
		d.t.Fatalf("the driver ended (%v): %v\n%s", err, d.cmd.ProcessState, d.stderr.String())
	}
	return answer
}

// try is ask for a command that the driver may die of.
func (d *driver) try(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(d.in, format+"\n", args...); err != nil {
		return "", err
	}
	answer, err := d.out.ReadString('\n')
	return strings.TrimSuffix(answer, "\n"), err
}

// finish closes the driver's input and returns what it said and how it ended.
func (d *driver) finish() (said string, err error) {
	_ = d.in.Close() // the driver may be gone
	err = d.cmd.Wait()
	return d.stderr.String(), err
}

// hexed is how the driver reads bytes.
func hexed[B ~[]byte | string](b B) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString([]byte(b))
}
