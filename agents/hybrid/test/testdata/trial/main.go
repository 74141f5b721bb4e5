// Command trial is the first process of a machine, and the daemon of the hybrid agent's module in it. It prints what the module gave
// it and did, a line for each; vm_test.go has what is right.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

const (
	image    = "/opt/fleetfall/service"
	renames  = 300 // more than the module's queue holds
	longest  = 16 << 10
	headSize = 72 // of a record: see device.h
)

func main() {
	if len(os.Args) > 1 { // told by executed
		_, _ = os.Stdin.Read(make([]byte, 1))
		errno, _ := syscall.Exec(os.Args[1], os.Args[1:], nil).(syscall.Errno)
		os.Exit(int(errno))
	}
	for _, m := range []struct{ kind, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}} {
		_ = os.MkdirAll(m.dir, 0o755)
		if err := syscall.Mount(m.kind, m.dir, m.kind, 0, ""); err != syscall.EBUSY {
			check(err)
		}
	}
	execute := executed() // before anybody is asked about it
	check(loadModule("/agent/hybrid.ko"))
	sensor, err := syscall.Open("/dev/fleetfall-sensor", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	check(err)

	ended := execute()
	event := read(sensor)
	say("asked in time", event.String())
	check(answer(sensor, event.id, true))
	say("refused", ended().Error())

	check(os.WriteFile("/run/0", nil, 0o600))
	for n := range renames {
		check(os.Rename(fmt.Sprintf("/run/%d", n), fmt.Sprintf("/run/%d", n+1)))
	}
	say("not asked in time", result(start()))
	check(syscall.SetNonblock(sensor, true))
	files := 0
	for event = read(sensor); event.template == content.FileTemplate; event = read(sensor) {
		files++
	}
	say("taken then", fmt.Sprintf("%d files", files), event.String())
	say("answered then", result(answer(sensor, event.id, true)))
	sayCounters()
	check(syscall.Close(sensor))
	say("without a daemon", result(start()))
	sayCounters()
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

func result(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

func sayCounters() {
	for _, name := range []string{"unanswered", "dropped"} {
		value, err := os.ReadFile("/sys/module/hybrid/parameters/" + name)
		check(err)
		say(name, strings.TrimSpace(string(value)))
	}
}

func loadModule(path string) error {
	f, err := os.Open(path)
	check(err)
	defer f.Close()
	const finitModule = 313
	var parameters byte
	if _, _, errno := syscall.Syscall(finitModule, f.Fd(), uintptr(unsafe.Pointer(&parameters)), 0); errno != 0 {
		return errno
	}
	return nil
}

// start executes the image here, where nobody can answer meanwhile, and waits for its end.
func start() error {
	p, err := os.StartProcess(image, []string{image}, &os.ProcAttr{Env: []string{}})
	if err == nil {
		_, err = p.Wait()
	}
	return err
}

// executed starts a process that executes the image when it is told to, by the function that is returned. That returns another, which
// waits for the process's end and tells why the image was not executed.
func executed() func() func() error {
	wait, tell, err := os.Pipe()
	check(err)
	p, err := os.StartProcess("/proc/self/exe", []string{"trial", image}, &os.ProcAttr{
		Env: []string{}, Files: []*os.File{wait, os.Stdout, os.Stderr},
	})
	check(err)
	return func() func() error {
		check(tell.Close())
		return func() error {
			state, err := p.Wait()
			check(err)
			return syscall.Errno(state.ExitCode())
		}
	}
}

// A record is what the module says of an event.
type record struct {
	id              uint64
	template, waits uint16
	first           string // input
}

func (r record) String() string { return fmt.Sprintf("execution of %s, waits %d", r.first, r.waits) }

func read(sensor int) record {
	var b [longest]byte
	n, err := syscall.Read(sensor, b[:])
	check(err)
	order := binary.LittleEndian
	first := headSize + int(order.Uint16(b[headSize-2*content.SensorFields:]))
	return record{order.Uint64(b[:]), order.Uint16(b[24:]), order.Uint16(b[28:]), string(b[headSize:min(first, n)])}
}

func answer(sensor int, id uint64, refuse bool) error {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], id)
	if refuse {
		b[8] = 1
	}
	_, err := syscall.Write(sensor, b[:])
	return err
}
