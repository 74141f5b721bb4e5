package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/internal/capability"
)

var (
	warnings = []string{"-Wall", "-Wextra", "-Werror"}
	// shipped are the flags that images are built with; the others find what goes astray without a trace.
	shipped   = []string{"-O2", "-static"}
	sanitized = []string{"-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}
)

// rejected is how the path of an image begins that the tests' inspector rejects.
const rejected = "/rejected/"

// inspectorOf is the inspector of a daemon that build has made: a script that notes which images it was asked about, in the file
// that notesOf names, and which speaks against every image if the guest program's socket is open in it.
func inspectorOf(program string) string { return program + "-inspect" }

func notesOf(program string) string { return program + "-notes" }

// build builds the daemon around harness/main.c, with an inspector of its own, and returns its path.
func build(t *testing.T, flags []string) string {
	t.Helper()
	capability.Tools(t, "gcc", "gcc")
	dir := t.TempDir()
	public, _ := content.TestVendorKey()
	key := strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(public)), " ", ","), "[]")
	if err := os.WriteFile(filepath.Join(dir, "vendor_key.h"), []byte("#define FF_VENDOR_KEY {"+key+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "hybrid")
	script := "#!/bin/sh\necho \"$1\" >> " + notesOf(program) + "\n[ ! -e /proc/$$/fd/3 ] || exit 1\ncase $1 in " + rejected + "*) exit 1;; esac\n"
	if err := os.WriteFile(inspectorOf(program), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-DINSPECTOR=\"" + inspectorOf(program) + "\"", "-I", dir, "-I", "../daemon", "-I", "..", "-I", "../../daemon", "-I", "../../interpreter",
		"-o", program, "harness/main.c", "../daemon/serve.c", "../daemon/inspect.c"}, append(warnings, flags...)...)
	for _, folder := range []string{"../../daemon", "../../interpreter"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.c"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no C files in %s: %v", folder, err)
		}
		args = append(args, files...)
	}
	if out, err := exec.CommandContext(t.Context(), "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// A daemon is a running one, with the test's ends of its two descriptors.
type daemon struct {
	t             *testing.T
	cmd           *exec.Cmd
	stderr        bytes.Buffer
	lines, sensor *os.File
	content       string // path of its file
	events        uint64 // so far
}

// start runs a daemon until the test ends. Whatever it says is one packet, as from the device.
func start(t *testing.T, program string, first content.File) *daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	d := &daemon{t: t, content: filepath.Join(t.TempDir(), "content.bin")}
	d.cmd = exec.CommandContext(ctx, program, d.content)
	d.cmd.Stderr = &d.stderr
	d.write(signed(t, first))
	for _, end := range []**os.File{&d.lines, &d.sensor} {
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		*end = os.NewFile(uintptr(fds[0]), "test's end")
		theirs := os.NewFile(uintptr(fds[1]), "daemon's end")
		defer theirs.Close()
		d.cmd.ExtraFiles = append(d.cmd.ExtraFiles, theirs)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = d.cmd.Wait() // of those that a test has ended, it was looked at there
		d.lines.Close()
		d.sensor.Close()
	})
	if got, want := d.line(), fmt.Sprintf("loaded %d", first.Version); got != want {
		t.Fatalf("it says %q, want %q", got, want)
	}
	return d
}

func signed(t *testing.T, f content.File) []byte {
	t.Helper()
	body, err := content.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	return content.Sign(body, key)
}

func (d *daemon) write(data []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.content, data, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// load has the daemon load a file, and returns what it says to it.
func (d *daemon) load(data []byte) string {
	d.t.Helper()
	d.write(data)
	if _, err := d.lines.WriteString("load\n"); err != nil {
		d.t.Fatal(err)
	}
	return d.line()
}

// line returns the next line that the daemon says.
func (d *daemon) line() string {
	d.t.Helper()
	return strings.TrimSuffix(string(d.packet(d.lines)), "\n")
}

func (d *daemon) packet(from *os.File) []byte {
	d.t.Helper()
	buf := make([]byte, 1024)
	n, err := from.Read(buf)
	if err != nil || n == 0 {
		_ = d.cmd.Wait()
		d.t.Fatalf("the daemon ended (%v): %v\n%s", err, d.cmd.ProcessState, d.stderr.String())
	}
	return buf[:n]
}

const pid = 17 // of each event's process

// pass passes an event to the daemon, as the module writes it: see device.h.
func (d *daemon) pass(template uint16, inputs []string, waits bool) {
	d.t.Helper()
	d.events++
	const header = 72
	record := make([]byte, header)
	for i, in := range inputs {
		binary.LittleEndian.PutUint16(record[header-2*content.SensorFields+2*i:], uint16(len(in)))
		record = append(record, in...)
	}
	binary.LittleEndian.PutUint64(record, d.events)
	binary.LittleEndian.PutUint64(record[8:], 5_000_000_000)
	binary.LittleEndian.PutUint32(record[16:], uint32(len(record)))
	binary.LittleEndian.PutUint32(record[20:], pid)
	binary.LittleEndian.PutUint16(record[24:], template)
	binary.LittleEndian.PutUint16(record[26:], uint16(len(inputs)))
	if waits {
		record[28] = 1
	}
	if _, err := d.sensor.Write(record); err != nil {
		d.t.Fatal(err)
	}
}

// refused returns the verdict on the latest event.
func (d *daemon) refused() bool {
	d.t.Helper()
	v := d.packet(d.sensor)
	if id := binary.LittleEndian.Uint64(v); len(v) != 16 || id != d.events {
		d.t.Fatalf("verdict % x, want one of 16 bytes on event %d", v, d.events)
	}
	return binary.LittleEndian.Uint32(v[8:]) != 0
}

// reports is what the daemon says of a case, in lines.
func reports(c contenttest.Case, waits bool) []string {
	const listed = 8 // FF_MAX_MATCHES
	what := c.Inputs[0]
	if c.Template != content.ProcessTemplate && c.Inputs[1] != "" {
		what = c.Inputs[1]
	}
	said := []byte(what)
	for i, octet := range said {
		if octet < ' ' {
			said[i] = '?'
		}
	}
	var lines []string
	for _, m := range c.Want.Matches[:min(len(c.Want.Matches), listed)] {
		action := "detect" // also of a rule that says inspect: the inspector finds nothing against any image of the table
		if waits && m.Action == content.Block {
			action = "block"
		}
		lines = append(lines, fmt.Sprintf("detect %d %s %d %s", m.ID, action, pid, said))
	}
	return lines
}

// The table that every agent must agree with, and random cases; each once for an execution that waits and once for what only is seen.
func TestSemantics(t *testing.T) {
	d := start(t, build(t, sanitized), content.Baseline(1))
	cases := contenttest.Cases()
	for seed := range uint64(100) {
		cases = append(cases, contenttest.Random(seed))
	}
	for _, c := range cases {
		if got, want := d.load(signed(t, c.File)), fmt.Sprintf("loaded %d", c.File.Version); got != want {
			t.Errorf("%s: it says %q, want %q", c.Name, got, want)
			continue
		}
		for _, waits := range []bool{true, false} {
			d.pass(c.Template, c.Inputs, waits)
			if waits {
				if got := d.refused(); got != c.Want.Block {
					t.Errorf("%s: refused: %v, want %v", c.Name, got, c.Want.Block)
				}
			}
			for _, want := range reports(c, waits) {
				if got := d.line(); got != want {
					t.Errorf("%s: it says %q, want %q", c.Name, got, want)
				}
			}
		}
	}
}

// Who waits is refused what the inspector rejects, unless a rule refuses it without asking; who does not wait is not inspected.
func TestInspection(t *testing.T) {
	program := build(t, sanitized)
	f := content.First(1)
	for id, action := range []content.Action{content.Detect, content.Block, content.Inspect} {
		rule := f.Instances[0]
		rule.ID, rule.Action, rule.Criteria = uint32(id), action, make([]content.Criterion, len(rule.Criteria))
		if action == content.Block {
			rule.Criteria[1] = content.Criterion{Op: content.Equals, Value: "blocked"}
		}
		f.Instances = append(f.Instances, rule)
	}
	f.Instances = f.Instances[1:]
	d := start(t, program, f)
	for _, row := range []struct {
		path    string
		waits   bool
		refused bool
		said    map[int]string // of the rules, by their ids
	}{
		{"/x/harmless", true, false, map[int]string{0: "detect", 2: "detect"}},
		{rejected + "one", true, true, map[int]string{0: "detect", 2: "block"}},
		{rejected + "blocked", true, true, map[int]string{0: "detect", 1: "block", 2: "detect"}},
		{rejected + "gone on", false, false, map[int]string{0: "detect", 2: "detect"}},
	} {
		in := make([]string, content.SensorFields)
		in[0], in[1] = row.path, filepath.Base(row.path)
		d.pass(content.ProcessTemplate, in, row.waits)
		if row.waits && d.refused() != row.refused {
			t.Errorf("%s: refused: %v, want %v", row.path, !row.refused, row.refused)
		}
		for id := range 3 {
			if row.said[id] == "" {
				continue
			}
			if got, want := d.line(), fmt.Sprintf("detect %d %s %d %s", id, row.said[id], pid, row.path); got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
		}
	}
	want := "/x/harmless\n" + rejected + "one\n"
	if got, err := os.ReadFile(notesOf(program)); err != nil || string(got) != want {
		t.Errorf("inspected: %q, %v, want %q", got, err, want)
	}
	if err := os.Remove(inspectorOf(program)); err != nil {
		t.Fatal(err)
	}
	in := make([]string, content.SensorFields)
	in[0] = rejected + "one"
	if d.pass(content.ProcessTemplate, in, true); d.refused() {
		t.Error("without an inspector an image was refused")
	}
}

func TestRefusedContent(t *testing.T) {
	d := start(t, build(t, sanitized), content.Baseline(1))
	damaged := signed(t, content.Baseline(2))
	damaged[20] ^= 1
	if got, want := d.load(damaged), "refused 2 signature is not the vendor's"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
	inputs := make([]string, content.SensorFields)
	inputs[0], inputs[1] = "/x/threat-exec-1", "threat-exec-1"
	d.pass(content.ProcessTemplate, inputs, true)
	if !d.refused() {
		t.Error("with content that was refused the content before is gone")
	}
}

// The defect, with the flags that images are built with: the daemon dies of the first execution, and of nothing else. What
// lies behind the inputs is its event's own up to field 22; further on it is whatever the compiler has put behind the event.
func TestFieldCount(t *testing.T) {
	program := build(t, shipped)
	for field, crashes := range map[int]bool{content.SensorFields: false, 21: true, 22: true} {
		t.Run(fmt.Sprint("field ", field), func(t *testing.T) {
			d := start(t, program, content.Baseline(1))
			if got, want := d.load(fieldCount(t, field)), "loaded 2"; got != want {
				t.Fatalf("it says %q, want %q", got, want)
			}
			d.pass(content.FileTemplate, []string{content.Rename, "new", content.ThreatSystemFile, "17", "sh", "0"}, false)
			if got, want := d.line(), fmt.Sprintf("detect %d detect %d new", content.RuleThreatRename, pid); got != want {
				t.Errorf("it says %q, want %q", got, want)
			}
			d.pass(content.ProcessTemplate, make([]string, content.SensorFields), true)
			if !crashes {
				if d.refused() {
					t.Error("an event that no rule matches was refused")
				}
				return
			}
			d.ends(func(s syscall.WaitStatus) bool { return s.Signal() == syscall.SIGSEGV }, "a segmentation fault")
		})
	}
}

// fieldCount is the fault's update 2, with its criterion on this field.
func fieldCount(t *testing.T, field int) []byte {
	t.Helper()
	fault, err := content.FindFault("field_count")
	if err != nil {
		t.Fatal(err)
	}
	_, key := content.TestVendorKey()
	update, err := fault.Update(2, 1, content.Params{"field": fmt.Sprint(field)}, key)
	if err != nil {
		t.Fatal(err)
	}
	return update
}

// ends wants the daemon to end so, over what it was passed. The guest program then leaves it too: a daemon that goes on instead
// ends by that.
func (d *daemon) ends(so func(syscall.WaitStatus) bool, want string) {
	d.t.Helper()
	d.lines.Close()
	_ = d.cmd.Wait() // what it says is in the state
	if !so(d.cmd.ProcessState.Sys().(syscall.WaitStatus)) {
		d.t.Errorf("the daemon ended with %v, want %s\n%s", d.cmd.ProcessState, want, d.stderr.String())
	}
}

// Nobody is left to work for.
func TestEnds(t *testing.T) {
	program := build(t, sanitized)
	t.Run("without the guest program", func(t *testing.T) {
		d := start(t, program, content.Baseline(1))
		d.ends(func(s syscall.WaitStatus) bool { return s.ExitStatus() == 0 }, "success")
	})
	for name, packet := range map[string][]byte{
		"on a record that is too short":        make([]byte, 71),
		"on a record with inputs that overrun": overrun(),
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, program, content.Baseline(1))
			if _, err := d.sensor.Write(packet); err != nil {
				t.Fatal(err)
			}
			d.ends(func(s syscall.WaitStatus) bool { return s.ExitStatus() == 1 }, "failure")
		})
	}
}

// overrun is a record whose only input is said to reach one byte behind it.
func overrun() []byte {
	record := make([]byte, 73)
	binary.LittleEndian.PutUint32(record[16:], uint32(len(record)))
	binary.LittleEndian.PutUint16(record[26:], 1)
	binary.LittleEndian.PutUint16(record[32:], 2)
	return record
}
