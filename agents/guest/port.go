package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	portsDir     = "/sys/class/virtio-ports"
	replyTimeout = 10 * time.Second
	ueventGroup  = 1 // the netlink group of the kernel's own device events
	ueventSize   = 8 << 10
)

// A portFile is an open virtio-serial port.
type portFile interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	SetDeadline(time.Time) error
}

// A port is the transport over a virtio-serial port.
type port struct {
	file  portFile
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
	if err := p.file.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return protocol.Reply{}, err
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
func openPort(ctx context.Context, log *logger) *os.File {
	for {
		path, err := awaitPort(portsDir)
		if err == nil {
			var file *os.File
			if file, err = os.OpenFile(path, os.O_RDWR, 0); err == nil { // non-blocking: Go polls what can be polled
				return file
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
