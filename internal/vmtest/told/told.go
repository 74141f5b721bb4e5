// Package told is for the programs that vmtest boots: processes of which all is known that a sensor is to see. No two of the numbers
// are the same, so that one taken for another shows.
package told

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	program = "/proc/self/exe"
	name    = "exe" // of a process that has executed that

	uid, euid, gid, egid = 11, 12, 13, 14
	imageUID, imageGID   = 21, 22
)

// Main is what a process is that Start has started; in any other it returns. A program's main begins with it.
func Main() {
	if len(os.Args) < 2 {
		return
	}
	err := syscall.Setresgid(gid, egid, egid)
	if err == nil {
		err = syscall.Setresuid(uid, euid, euid)
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // to its end
	if act, what := os.Args[1], os.Args[2:]; err == nil && act == "execute" {
		err = syscall.Exec(what[0], what, nil)
	} else if err == nil {
		err = syscall.Rename(what[0], what[1])
	}
	errno, _ := err.(syscall.Errno)
	os.Exit(int(errno))
}

// A Process does one thing when it is told to.
type Process struct {
	*os.Process
	tell   *os.File
	inputs []string
}

// Execute starts a process that is to execute the image, in a session of its own.
func Execute(image string) (*Process, error) {
	if err := os.Chown(image, imageUID, imageGID); err != nil {
		return nil, err
	}
	p, err := start("execute", image)
	if err != nil {
		return nil, err
	}
	var of syscall.Stat_t
	if err := syscall.Stat(image, &of); err != nil {
		return nil, err
	}
	head, err := readHead(image)
	if err != nil {
		return nil, err
	}
	parent, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	p.inputs = texts(
		image, filepath.Base(image), filepath.Dir(image), of.Size, fmt.Sprintf("%o", of.Mode), imageUID, imageGID, of.Ino, of.Dev, head,
		p.Pid, os.Getpid(), name, strings.TrimSpace(string(parent)), uid, euid, gid, egid, p.Pid, host)
	return p, nil
}

// Rename starts a process that is to rename a file, which is made.
func Rename(from, to string) (*Process, error) {
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Chown(from, euid, egid); err != nil {
		return nil, err
	}
	p, err := start("rename", from, to)
	if err != nil {
		return nil, err
	}
	p.inputs = texts(content.Rename, filepath.Base(from), filepath.Base(to), p.Pid, name, uid)
	return p, nil
}

// Inputs are what a sensor is to say of what the process does, by field number.
func (p *Process) Inputs() []string { return p.inputs }

// Do tells the process to do it.
func (p *Process) Do() error { return p.tell.Close() }

// Why waits for the process's end, and says why it could not do it; of an execution that was let be, how the image ended.
func (p *Process) Why() error {
	state, err := p.Wait()
	if err == nil && state.ExitCode() != 0 {
		err = syscall.Errno(state.ExitCode())
	}
	return err
}

func start(args ...string) (*Process, error) {
	wait, tell, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer wait.Close()
	p, err := os.StartProcess(program, append([]string{"told"}, args...), &os.ProcAttr{
		Env: []string{}, Files: []*os.File{wait, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return &Process{Process: p, tell: tell}, err
}

func readHead(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var head [64]byte
	_, err = io.ReadFull(f, head[:])
	return string(head[:]), err
}

func texts(values ...any) []string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return all
}
