package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const (
	pciDevices    = "/sys/bus/pci/devices"
	mailboxVendor = "0x1af4" // of ivshmem, whose memory is its third region
	mailboxDevice = "0x1110"
	mailboxRegion = "resource2"
)

// A mailbox is the transport over shared memory.
type mailbox struct {
	memory protocol.Mailbox
	ring   func() error // returns once the host has answered
}

// Exchange implements transport.
func (m *mailbox) Exchange(r protocol.Request) (protocol.Reply, error) {
	line, err := protocol.AppendLine(nil, r)
	if err != nil {
		return protocol.Reply{}, err
	}
	for { // as often as the host holds this machine
		number, err := m.memory.Ask(line)
		if err != nil {
			return protocol.Reply{}, err
		}
		if err := m.ring(); err != nil {
			return protocol.Reply{}, fmt.Errorf("ringing for the host: %w", err)
		}
		if answer, ok := m.memory.Reply(number); ok {
			reply, err := protocol.ParseReply(answer)
			if err == nil && (reply.ID != r.ID || reply.Boot != r.Boot) {
				err = errors.New("the reply is to another request")
			}
			return reply, err
		}
		held := m.memory.Held()
		if held == 0 {
			return protocol.Reply{}, errors.New("the host has not answered")
		}
		// While it rings, nobody can stop this machine to copy it. Here it can be stopped anywhere: each copy, with memory of its own,
		// goes on asking at the same tick.
		spin(held)
	}
}

// openMailbox maps the memory that is shared with the host, once there is one.
func openMailbox(ctx context.Context, log *logger) *mailbox {
	for {
		memory, err := mapMailbox(pciDevices)
		if err == nil {
			return &mailbox{memory: memory, ring: ring}
		}
		log.printf("mailbox: %v", err)
		if !wait(ctx, retryPause) {
			return nil
		}
	}
}

func mapMailbox(dir string) (protocol.Mailbox, error) {
	device, err := findMailbox(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(device, mailboxRegion), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	memory, err := syscall.Mmap(int(file.Fd()), 0, protocol.MailboxSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", file.Name(), err)
	}
	return memory, nil
}

// findMailbox returns the folder of the PCI device whose memory is shared with the host.
func findMailbox(dir string) (string, error) {
	devices, _ := filepath.Glob(dir + "/*") // the pattern is well-formed
	for _, device := range devices {
		vendor, err := os.ReadFile(filepath.Join(device, "vendor"))
		if err != nil || strings.TrimSpace(string(vendor)) != mailboxVendor {
			continue
		}
		id, err := os.ReadFile(filepath.Join(device, "device"))
		if err == nil && strings.TrimSpace(string(id)) == mailboxDevice {
			return device, nil
		}
	}
	return "", errors.New("no PCI device has memory to share with the host")
}
