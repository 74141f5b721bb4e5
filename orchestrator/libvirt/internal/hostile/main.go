// Command hostile is PID 1 of a test VM. It speaks agents/protocol well enough to boot, and then does what the content
// that its host is served says: panic, lie, flood, fall silent. The tests of the VM backend put it in the place of an
// image's own /init, to see what a backend does with a guest that no shipped agent would be.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ dir, kind string }{{"/dev", "devtmpfs"}, {"/proc", "proc"}, {"/sys", "sysfs"}} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	if err := loadModules("/lib/modules"); err != nil {
		return err
	}
	port, err := openLink()
	if err != nil {
		return err
	}
	g := &guest{port: port, replies: protocol.NewLineReader(port, protocol.MaxReply), clock: rdtsc}
	return g.live()
}

// loadModules loads every virtio and panic-device module below dir, going round until no more of them load: this needs
// no modules.dep.
func loadModules(dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		base := filepath.Base(path)
		wanted := strings.HasPrefix(base, "virtio") || strings.HasPrefix(base, "pvpanic")
		if err == nil && wanted && strings.HasSuffix(base, ".ko") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for modules: %w", err)
	}
	for progress := true; progress; {
		progress = false
		for i, file := range files {
			if file == "" {
				continue
			}
			image, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := unix.InitModule(image, ""); err == nil || errors.Is(err, unix.EEXIST) {
				files[i], progress = "", true
			}
		}
	}
	return nil
}

// openLink opens the way to the host that the command line names.
func openLink() (io.ReadWriter, error) {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err == nil && bytes.Contains(cmdline, []byte("fleetfall.link=mailbox")) {
		return openMailbox()
	}
	return openPort()
}

// openPort opens the virtio-serial port that carries the protocol.
func openPort() (*os.File, error) {
	for range 1000 {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, name := range names {
			text, _ := os.ReadFile(name)
			if strings.TrimSpace(string(text)) == protocol.PortName {
				return os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(name))), os.O_RDWR, 0)
			}
		}
		time.Sleep(2 * time.Millisecond) // the port's name arrives by an interrupt that nothing announces to user space
	}
	return nil, errors.New("no port " + protocol.PortName)
}

type guest struct {
	port    io.ReadWriter
	replies *protocol.LineReader
	clock   func() uint64 // what it says that its time-stamp counter shows
	boot    string
	next    uint64
	content uint64
}

func (g *guest) ask(r protocol.Request) (protocol.Reply, error) {
	g.next++
	r.ID, r.Boot, r.Uptime, r.TSC = g.next, g.boot, uptime(), g.clock()
	line, err := protocol.AppendLine([]byte("\n"), r)
	if err != nil {
		return protocol.Reply{}, err
	}
	if _, err := g.port.Write(line); err != nil {
		return protocol.Reply{}, err
	}
	for {
		line, err := g.replies.Next()
		if errors.Is(err, io.EOF) {
			continue // the host has not connected yet
		}
		if err != nil {
			return protocol.Reply{}, err
		}
		if reply, err := protocol.ParseReply(line); err == nil && reply.ID == r.ID && reply.Boot == g.boot {
			return reply, nil
		}
	}
}

func (g *guest) live() error {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	hello := protocol.Hello{Protocol: protocol.Version, AgentState: protocol.AgentAbsent, Kernel: release()}
	for _, word := range strings.Fields(string(cmdline)) {
		if v, ok := strings.CutPrefix(word, "fleetfall.mode="); ok {
			hello.Mode = v
		}
		if v, ok := strings.CutPrefix(word, "fleetfall.architecture="); ok {
			hello.Architecture = v
		}
	}
	reply, err := g.ask(protocol.Request{Identify: &protocol.Identify{}})
	if err != nil {
		return err
	}
	config := reply.Config
	if config == nil || config.Beat <= 0 {
		return errors.New("identify was answered without a configuration")
	}
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	g.boot = strings.TrimSpace(string(id))
	if reply, err = g.ask(protocol.Request{Hello: &hello}); err != nil {
		return err
	}
	orders := reply.Orders
	for range time.Tick(config.Beat) {
		beat := protocol.Beat{AgentState: protocol.AgentAbsent, ContentVersion: g.content}
		for _, order := range orders {
			beat.Done = append(beat.Done, protocol.Done{ID: order.ID})
		}
		reply, err := g.ask(protocol.Request{Beat: &beat})
		if err != nil {
			return err
		}
		orders = reply.Orders
		if reply, err = g.ask(protocol.Request{Fetch: &protocol.Fetch{Have: g.content}}); err != nil {
			return err
		}
		orders = append(orders, reply.Orders...)
		if reply.Content != nil {
			g.content++
			if err := g.obey(string(reply.Content.Data)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *guest) obey(what string) error {
	switch what {
	case "nothing":
		return nil
	case "panic":
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "panic of tomorrow": // by its stamp
		if err := os.WriteFile("/dev/console", []byte("[86400.000000] Kernel panic - not syncing: made up\n"), 0); err != nil {
			return err
		}
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "panic of tomorrow, by its clock too":
		if err := setHardwareClock(time.Date(2024, 7, 20, 4, 9, 0, 0, time.UTC)); err != nil {
			return err
		}
		return g.obey("panic of tomorrow")
	case "fake panic": // what a panic looks like on the console, by a process that lives on
		return os.WriteFile("/dev/console", []byte("[    9.999999] Kernel panic - not syncing: made up\n"), 0)
	case "power off":
		return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	case "reboot":
		return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case "garbage":
		for _, junk := range []string{"no JSON\n", "{}\n", strings.Repeat("x", 3*protocol.MaxLine) + "\n", "\x00\xff\n"} {
			if _, err := io.WriteString(g.port, junk); err != nil {
				return err
			}
		}
		return nil
	case "flood console":
		line := append(bytes.Repeat([]byte("flood "), 200), '\n')
		console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer console.Close()
		for range 100 {
			if _, err := console.Write(line); err != nil {
				return err
			}
		}
		return nil
	case "fall silent":
		select {}
	case "ring with junk":
		for {
			if _, err := io.WriteString(g.port, "no JSON\n"); err != nil {
				return err
			}
		}
	case "stop the clock": // by its own account
		now := g.clock()
		g.clock = func() uint64 { return now }
		for {
			if _, err := g.ask(protocol.Request{Log: &protocol.Log{Text: "what time is it?"}}); err != nil {
				return err
			}
		}
	case "exit": // PID 1 ends: the kernel panics
		os.Exit(3)
	}
	return errors.New("unknown content " + what)
}

// setHardwareClock sets the machine's real-time clock through its registers, see the kernel's
// include/linux/mc146818rtc.h.
func setHardwareClock(t time.Time) error {
	if err := unix.Iopl(3); err != nil {
		return fmt.Errorf("iopl: %w", err)
	}
	const registerB, hold = 11, 0x80
	was := readClock(registerB)
	writeClock(registerB, was|hold) // no update while it is set
	for register, value := range map[byte]int{0: t.Second(), 2: t.Minute(), 4: t.Hour(), 7: t.Day(), 8: int(t.Month()), 9: t.Year() % 100} {
		writeClock(register, byte(value/10<<4|value%10))
	}
	writeClock(registerB, was&^hold)
	return nil
}

// Registers of the clock are read and written through two ports: the first chooses one.
const clockIndex, clockData = 0x70, 0x71

func readClock(register byte) byte {
	outb(clockIndex, register)
	return inb(clockData)
}

func writeClock(register, value byte) {
	outb(clockIndex, register)
	outb(clockData, value)
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
