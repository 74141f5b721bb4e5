package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// A mailbox is the way to the host on the virtual clock, in the form of a port: each write is a request, for whose
// answer this machine stands still. The bell and the clocks are the files of agents/guest themselves.
type mailbox struct {
	memory  protocol.Mailbox
	replies bytes.Buffer
}

func openMailbox() (*mailbox, error) {
	devices, _ := filepath.Glob("/sys/bus/pci/devices/*")
	for _, device := range devices {
		vendor, _ := os.ReadFile(filepath.Join(device, "vendor"))
		id, _ := os.ReadFile(filepath.Join(device, "device"))
		if strings.TrimSpace(string(vendor)) != "0x1af4" || strings.TrimSpace(string(id)) != "0x1110" {
			continue
		}
		file, err := os.OpenFile(filepath.Join(device, "resource2"), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		memory, err := unix.Mmap(int(file.Fd()), 0, protocol.MailboxSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return &mailbox{memory: memory}, err
	}
	return nil, errors.New("no mailbox among the PCI devices")
}

func (m *mailbox) Write(request []byte) (int, error) {
	for { // as often as the host holds this machine
		number, err := m.memory.Ask(request)
		if err != nil { // it says all the same how much that is
			binary.NativeEndian.PutUint64(m.memory[8:], uint64(len(request)))
			return len(request), ring()
		}
		if err := ring(); err != nil {
			return 0, err
		}
		if answer, ok := m.memory.Reply(number); ok {
			m.replies.Write(answer)
			return len(request), nil
		}
		if m.memory.Held() == 0 {
			return 0, errors.New("the host has not answered")
		}
		spin(m.memory.Held())
	}
}

func (m *mailbox) Read(into []byte) (int, error) { return m.replies.Read(into) }
