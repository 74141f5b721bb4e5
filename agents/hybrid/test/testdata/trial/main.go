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
	"github.com/fleetfall/fleetfall/internal/vmtest/told"
)

const (
	image    = "/opt/fleetfall/service"
	renames  = 300 // more than the module's queue holds
	longest  = 16 << 10
	headSize = 72 // of a record: see device.h
)

func main() {
	told.Main()
	for _, m := range []struct{ kind, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}} {
		_ = os.MkdirAll(m.dir, 0o755)
		if err := syscall.Mount(m.kind, m.dir, m.kind, 0, ""); err != syscall.EBUSY {
			check(err)
		}
	}
	check(syscall.Sethostname([]byte("host-1")))
	execution, err := told.Execute(image) // before anybody is asked about it
	check(err)
	rename, err := told.Rename("/run/from", "/run/to")
	check(err)
	check(loadModule("/agent/hybrid.ko"))
	sensor, err := syscall.Open("/dev/fleetfall-sensor", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	check(err)

	check(execution.Do())
	event := read(sensor)
	say("asked in time", event.String())
	sayInputs("an execution", event, content.Fields()[:content.SensorFields], execution)
	check(answer(sensor, event.id, true))
	say("refused", result(execution.Why()))

	check(rename.Do())
	check(rename.Why())
	sayInputs("a rename", read(sensor), content.FileFields(), rename)

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

// sayInputs says how many inputs the event has, and which of them are not as they are to be.
func sayInputs(of string, event record, fields []string, process *told.Process) {
	words := []string{fmt.Sprint(len(event.inputs))}
	for i, want := range process.Inputs() {
		if i >= len(event.inputs) || event.inputs[i] != want {
			words = append(words, fmt.Sprintf("%s of %q is not %q", fields[i], event.inputs, want))
		}
	}
	say("inputs of "+of, words...)
}

// A record is what the module says of an event.
type record struct {
	id              uint64
	template, waits uint16
	inputs          []string
}

func (r record) String() string {
	return fmt.Sprintf("execution of %s, waits %d", r.inputs[0], r.waits)
}

func read(sensor int) record {
	var b [longest]byte
	n, err := syscall.Read(sensor, b[:])
	check(err)
	order := binary.LittleEndian
	r := record{id: order.Uint64(b[:]), template: order.Uint16(b[24:]), waits: order.Uint16(b[28:])}
	lengths, at := b[headSize-2*content.SensorFields:], headSize
	for i := range int(order.Uint16(b[26:])) {
		end := at + int(order.Uint16(lengths[2*i:]))
		r.inputs = append(r.inputs, string(b[at:min(end, n)]))
		at = end
	}
	return r
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
