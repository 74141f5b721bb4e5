// Command trial is the first process of a machine in which it does, next to the eBPF agent, what the agent is to see. It prints
// what it has done and what the agent said then, a line for each; vm_test.go has what is right.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	contentFile = "/run/current.bin"
	programs    = "/opt/fleetfall/"
	marked      = programs + "threat-mark-last"
)

func main() {
	if len(os.Args) > 1 { // told by inputs
		_, _ = os.Stdin.Read(make([]byte, 1))
		check(syscall.Exec(os.Args[1], os.Args[1:], nil))
	}
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

// inputs holds every input of an execution against what this process knows of it, each with a rule of its own.
func (a *agent) inputs() {
	const image = programs + "service"
	var st syscall.Stat_t
	check(syscall.Stat(image, &st))
	equals := func(v any) content.Criterion { return content.Criterion{Op: content.Equals, Value: fmt.Sprint(v)} }
	check(syscall.Sethostname([]byte("host-1")))
	for field, c := range map[string]content.Criterion{
		"image_path": equals(image), "image_name": equals("service"), "image_dir": equals("/opt/fleetfall"),
		"image_size": equals(st.Size), "image_mode": equals(fmt.Sprintf("%o", st.Mode)),
		"image_uid": equals(st.Uid), "image_gid": equals(st.Gid), "image_inode": equals(st.Ino), "image_device": equals(st.Dev),
		"image_head": {Op: content.Prefix, Value: "\x7fELF\x02\x01\x01\x00"},
		"ppid":       equals(os.Getpid()), "process_name": equals("init"), "parent_name": equals("init"),
		"uid": equals(os.Getuid()), "euid": equals(os.Geteuid()), "gid": equals(os.Getgid()), "egid": equals(os.Getegid()),
		"session": equals(0), "host_name": equals("host-1"),
	} {
		a.load(withRule(2, field, c))
		check(execute(image))
		say("input "+field, a.heard()...)
	}
	// A process that is there and executes the image when it is told to.
	wait, tell, err := os.Pipe()
	check(err)
	p, err := os.StartProcess("/proc/self/exe", []string{"trial", image}, &os.ProcAttr{
		Env: []string{}, Files: []*os.File{wait, os.Stdout, os.Stderr},
	})
	check(err)
	a.load(withRule(2, "pid", equals(p.Pid)))
	check(execute(image))
	check(tell.Close())
	check(wait.Close())
	_, err = p.Wait()
	check(err)
	say("input pid", a.heard()...)
}

// withRule is the baseline and a new rule with one criterion.
func withRule(version uint64, field string, c content.Criterion) content.File {
	f := content.Update(version)
	rule := &f.Instances[len(f.Instances)-1]
	rule.Criteria = make([]content.Criterion, len(content.Fields()))
	for i, name := range content.Fields() {
		if name == field {
			rule.Criteria[i] = c
		}
	}
	return f
}

// updates loads what is to be loaded, and what is to be refused.
func (a *agent) updates() {
	say("field count", a.load(withRule(3, "ipc_endpoint", content.Criterion{Op: content.Equals, Value: "pipe"})))
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
