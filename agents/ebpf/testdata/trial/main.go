// Command trial is the first process of a machine in which it does, next to the eBPF agent, what the agent is to see. It prints
// what it has done and what the agent said then, a line for each; vm_test.go has what is right.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/internal/vmtest/told"
)

const (
	contentFile = "/run/current.bin"
	programs    = "/opt/fleetfall/"
	marked      = programs + "threat-mark-last"
)

func main() {
	told.Main()
	for _, m := range []struct{ kind, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run"}} {
		_ = os.MkdirAll(m.dir, 0o755)
		check(syscall.Mount(m.kind, m.dir, m.kind, 0, ""))
	}
	a := start()
	a.threats()
	a.inputs()
	a.updates()
	check(syscall.Kill(a.pid, syscall.SIGKILL))
	_, err := syscall.Wait4(a.pid, nil, 0, nil)
	check(err)
	say("without agent", result(execute(programs+"threat-exec")))
	check(syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF))
}

func say(what string, words ...string) {
	fmt.Printf("trial: %s: %s\n", what, strings.Join(words, "; "))
}

func check(err error) {
	if err != nil {
		say("failed", err.Error())
		_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

// An agent is the running daemon.
type agent struct {
	pid  int
	conn int
}

// start writes the first content and starts the agent.
func start() *agent {
	check(os.Link(programs+"threat-mark", marked))
	put(content.Baseline(1))
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	check(err)
	theirs := os.NewFile(uintptr(ends[1]), "agent's end")
	p, err := os.StartProcess("/agent/ebpf", []string{"/agent/ebpf", contentFile}, &os.ProcAttr{
		Env: []string{}, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, theirs},
	})
	check(err)
	check(theirs.Close())
	a := &agent{p.Pid, ends[0]}
	say("start", a.line(), a.line())
	return a
}

// line waits for the agent's next line. Of a detection the process is left out.
func (a *agent) line() string {
	buf := make([]byte, 512)
	n, err := syscall.Read(a.conn, buf)
	if err == nil && n == 0 {
		err = fmt.Errorf("the agent has ended")
	}
	check(err)
	line := strings.TrimSpace(string(buf[:n]))
	if f := strings.SplitN(line, " ", 5); len(f) == 5 && f[0] == "detect" {
		return strings.Join([]string{f[1], f[2], f[4]}, " ")
	}
	return line
}

// heard returns what the agent has to say of what was done until now: all until it reports the marked program.
func (a *agent) heard() []string {
	check(execute(marked))
	var lines []string
	for {
		line := a.line()
		switch {
		case line == fmt.Sprintf("%d detect %s", content.RuleThreatMark, marked):
			return lines
		case strings.HasSuffix(line, " "+marked): // by another rule, the last time
		default:
			lines = append(lines, line)
		}
	}
}

// load has the agent load content, and returns its answer.
func (a *agent) load(f content.File) string {
	put(f)
	return a.reload()
}

func (a *agent) reload() string {
	_, err := syscall.Write(a.conn, []byte("load\n"))
	check(err)
	for {
		if line := a.line(); strings.HasPrefix(line, "loaded ") || strings.HasPrefix(line, "refused ") {
			return line // before that, what the content until now said of the last executions
		}
	}
}

func put(f content.File) {
	body, err := content.Encode(f)
	check(err)
	_, key := content.TestVendorKey()
	check(os.WriteFile(contentFile, content.Sign(body, key), 0o644))
}

func execute(path string) error {
	p, err := os.StartProcess(path, []string{path}, &os.ProcAttr{Env: []string{}})
	if err == nil {
		_, err = p.Wait()
	}
	return err
}

func result(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// threats does what the rules of the baseline are about, and what they are not about.
func (a *agent) threats() {
	do := func(what string, err error) { say(what, append([]string{result(err)}, a.heard()...)...) }
	do("execute", execute(programs+"threat-exec"))
	do("execute another", execute(programs+"service"))
	file := func(name string) string {
		check(os.WriteFile("/run/"+name, make([]byte, 1), 0o644))
		return "/run/" + name
	}
	do("map", mapFile(file("threat-mmap-1"), syscall.MAP_SHARED))
	check(syscall.Mknod("/run/threat-mmap-3", syscall.S_IFCHR|0o600, zeroDevice))
	do("map a device", mapFile("/run/threat-mmap-3", syscall.MAP_SHARED))
	do("map privately", mapFile(file("threat-mmap-2"), syscall.MAP_PRIVATE))
	do("rename", os.Rename(file("threat-rename-1"), file("system.conf")))
	do("rename away", os.Rename(file("system.conf"), "/run/old"))
	do("delete", os.Remove(file("agent-state-1")))
	do("delete another", os.Remove(file("notes")))
	do("load a module", initModule())
}

const zeroDevice = 1<<8 | 5 // /dev/zero

func mapFile(path string, flags int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	check(err)
	defer f.Close()
	m, err := syscall.Mmap(int(f.Fd()), 0, 1, syscall.PROT_READ|syscall.PROT_WRITE, flags)
	if err == nil {
		m[0] = 1
		err = syscall.Munmap(m)
	}
	return err
}

// initModule hands the kernel a module that is none. One shorter than an ELF header is refused before anybody is asked.
func initModule() error {
	const elfHeader = 64
	var image [elfHeader]byte
	var parameters byte
	_, _, errno := syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&image[0])), elfHeader, uintptr(unsafe.Pointer(&parameters)))
	if errno != 0 {
		return errno
	}
	return nil
}

// inputs holds every input of an execution and of a rename against what is known of it, each with a rule of its own.
func (a *agent) inputs() {
	check(syscall.Sethostname([]byte("host-1")))
	execution := func() (*told.Process, error) { return told.Execute(programs + "service") }
	for _, field := range content.Fields()[:content.SensorFields] {
		a.input("execution", content.ProcessTemplate, field, execution)
	}
	rename := func() (*told.Process, error) { return told.Rename("/run/from", "/run/to") }
	for _, field := range content.FileFields() {
		a.input("rename", content.FileTemplate, field, rename)
	}
}

func (a *agent) input(of string, template uint16, field string, start func() (*told.Process, error)) {
	p, err := start()
	check(err)
	value := p.Inputs()[slices.Index(fieldsOf(template), field)]
	a.load(withRule(2, template, field, content.Criterion{Op: content.Equals, Value: value}))
	check(p.Do())
	check(p.Why())
	say(fmt.Sprintf("input %s of %s", field, of), a.heard()...)
}

func fieldsOf(template uint16) []string {
	if template == content.FileTemplate {
		return content.FileFields()
	}
	return content.Fields()
}

// withRule is the baseline and a new rule with one criterion.
func withRule(version uint64, template uint16, field string, c content.Criterion) content.File {
	f := content.Update(version)
	rule := &f.Instances[len(f.Instances)-1]
	rule.TemplateID, rule.Criteria = template, make([]content.Criterion, len(fieldsOf(template)))
	rule.Criteria[slices.Index(fieldsOf(template), field)] = c
	return f
}

// updates loads what is to be loaded, and what is to be refused.
func (a *agent) updates() {
	say("field count", a.load(withRule(3, content.ProcessTemplate, "ipc_endpoint", content.Criterion{Op: content.Equals, Value: "pipe"})))
	say("field count, execute", append([]string{result(execute(programs + "threat-exec"))}, a.heard()...)...)
	f := content.Baseline(4)
	f.Instances[0].Action = content.Inspect
	say("inspect", a.load(f))
	check(os.WriteFile(contentFile, []byte("FFCH"), 0o644))
	say("cut off", a.reload())
	check(os.Remove(contentFile))
	say("missing", a.reload())
	say("after refusals", append([]string{result(execute(programs + "threat-exec"))}, a.heard()...)...)
}
