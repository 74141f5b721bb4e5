package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	portsDir     = "/sys/class/virtio-ports"
	replyTimeout = 10 * time.Second // of silence
	ueventGroup  = 1                // the netlink group of the kernel's own device events
	ueventSize   = 8 << 10
)

// A device is an open device file. Who reads or writes waits in poll(2) himself: Go's own way of waiting, with deadlines,
// takes five system calls and the turns of three threads, which an emulated CPU translates anew in each copy of a template.
type device struct {
	fd       int
	patience time.Duration // of one wait
}

func openDevice(path string) (*device, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &device{fd: fd, patience: replyTimeout}, nil
}

// Read implements io.Reader. It returns io.EOF when nobody is at the other end.
func (d *device) Read(into []byte) (int, error) {
	n, err := d.try(pollIn, func() (int, error) { return syscall.Read(d.fd, into) })
	if n == 0 && err == nil && len(into) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements io.Writer.
func (d *device) Write(data []byte) (written int, err error) {
	for written < len(data) {
		n, err := d.try(pollOut, func() (int, error) { return syscall.Write(d.fd, data[written:]) })
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// try does something that is possible when poll says so.
func (d *device) try(event int16, do func() (int, error)) (int, error) {
	for {
		n, err := do()
		switch {
		case err == nil:
			return max(0, n), nil
		case err == syscall.EINTR:
			continue
		case err != syscall.EAGAIN:
			return 0, err
		}
		switch occurred, err := poll(d.fd, event, d.patience); {
		case err != nil && err != syscall.EINTR:
			return 0, err
		case err == nil && occurred == 0:
			return 0, os.ErrDeadlineExceeded
		case err == nil && occurred&event == 0: // only that the other end is gone
			return 0, io.EOF
		}
	}
}

// Events of poll(2).
const (
	pollIn  int16 = 1
	pollOut int16 = 4
)

// poll waits for an event of a file, and returns those that occurred; none when the time is over.
func poll(fd int, events int16, limit time.Duration) (occurred int16, err error) {
	f := struct { // struct pollfd
		fd               int32
		events, occurred int16
	}{fd: int32(fd), events: events}
	_, _, errno := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&f)), 1, uintptr(limit.Milliseconds()))
	if errno != 0 {
		return 0, errno
	}
	return f.occurred, nil
}

// A port is the transport over a virtio-serial port.
type port struct {
	file  io.ReadWriter
	lines *protocol.LineReader
}

// Exchange implements transport. Replies to anything else, and what is no reply, are skipped.
func (p *port) Exchange(r protocol.Request) (protocol.Reply, error) {
	line, err := protocol.AppendLine([]byte{'\n'}, r)
	if err != nil {
		return protocol.Reply{}, err
	}
	if len(line) > protocol.MaxLine {
		return protocol.Reply{}, fmt.Errorf("the request has %d bytes, at most %d", len(line), protocol.MaxLine)
	}
	if _, err := p.file.Write(line); err != nil {
		return protocol.Reply{}, fmt.Errorf("sending a request: %w", err)
	}
	if p.lines == nil {
		p.lines = protocol.NewLineReader(p.file, protocol.MaxReply)
	}
	for {
		line, err := p.lines.Next()
		switch {
		case errors.Is(err, protocol.ErrTooLong):
			continue
		case err != nil:
			return protocol.Reply{}, fmt.Errorf("waiting for a reply: %w", err) // io.EOF: nobody is at the host's end
		}
		if reply, err := protocol.ParseReply(line); err == nil && reply.ID == r.ID && reply.Boot == r.Boot {
			return reply, nil
		}
	}
}

// openPort opens the virtio-serial port that carries the protocol, once there is one.
func openPort(ctx context.Context, log *logger) *device {
	for {
		path, err := awaitPort(portsDir)
		if err == nil {
			var d *device
			if d, err = openDevice(path); err == nil {
				return d
			}
		}
		log.printf("virtio-serial port: %v", err)
		if !wait(ctx, retryPause) {
			return nil
		}
	}
}

// awaitPort waits for the port and returns its device file. Ports get their names some time after the driver is loaded,
// which the kernel announces by a device event.
func awaitPort(dir string) (string, error) {
	socket, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, syscall.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return "", fmt.Errorf("listening for device events: %w", err)
	}
	defer syscall.Close(socket)
	if err := syscall.Bind(socket, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: ueventGroup}); err != nil {
		return "", fmt.Errorf("listening for device events: %w", err)
	}
	event := make([]byte, ueventSize)
	for {
		if path, ok := findPort(dir, protocol.PortName); ok {
			return path, nil
		}
		_, _, err := syscall.Recvfrom(socket, event, 0)
		if err != nil && err != syscall.EINTR && err != syscall.ENOBUFS {
			return "", fmt.Errorf("waiting for a device event: %w", err)
		}
	}
}

// findPort returns the device file of the port of this name.
func findPort(dir, name string) (string, bool) {
	names, _ := filepath.Glob(dir + "/*/name") // the pattern is well-formed
	for _, path := range names {
		data, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(data)) == name {
			return "/dev/" + filepath.Base(filepath.Dir(path)), true
		}
	}
	return "", false
}
