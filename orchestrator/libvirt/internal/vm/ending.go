package vm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
)

// Ended is what happened to the host of a VM that has ended without our doing: its guest switched it off, which is
// data, or the testbed failed it. told says that QEMU was told to end, and not by its guest, see connect.Event;
// oomKills are those of this machine's kernel when the fleet was made.
func (m *Machine) Ended(why golibvirt.DomainEventStoppedDetailType, told bool, oomKills int) fleet.Happening {
	var err error
	switch {
	case why == golibvirt.DomainEventStoppedShutdown && !told:
		return fleet.PoweredOff{Reason: "guest"}
	case why == golibvirt.DomainEventStoppedShutdown:
		err = errors.New("QEMU was told to end by a signal")
	case why == golibvirt.DomainEventStoppedDestroyed:
		err = fmt.Errorf("somebody else destroyed domain %s", m.Domain.Name)
	default:
		err = m.lastOf(oomKills)
	}
	return fleet.InfraFailed{Op: "run domain", Reason: err.Error()}
}

// lastOf says how its QEMU ended, as far as it is known: by a signal when somebody has killed it, or the kernel has,
// for memory; by itself, with words in its log, when it failed.
func (m *Machine) lastOf(oomKills int) error {
	words := m.Site.qemuLastWords(m.Domain.Name)
	status, known := qemu.Orphans.How(m.PID)
	switch killed := qemu.OOMKills() - oomKills; {
	case !known:
		return fmt.Errorf("QEMU ended: %s", words)
	case status.Signaled() && status.Signal() == syscall.SIGKILL && killed > 0:
		return fmt.Errorf("QEMU was killed; this machine's kernel has killed %d processes for memory since the fleet was made", killed)
	case status.Signaled():
		return fmt.Errorf("QEMU was killed by signal %d (%v), and not by the kernel for memory", status.Signal(), status.Signal())
	}
	return fmt.Errorf("QEMU ended with exit code %d: %s", status.ExitStatus(), words)
}

// maxQEMULog is more than the bytes that QEMU and libvirt write about a domain: its command line, mostly.
const maxQEMULog = 1 << 20

// qemuLastWords is the end of what QEMU wrote about a domain, where the daemon is ours and keeps it.
func (s *Site) qemuLastWords(domain string) string {
	if !s.private {
		return "its log is with a libvirt daemon that is not ours"
	}
	text, err := s.Work.ReadMade(daemon.LogFile(domain), s.Account, maxQEMULog)
	if err != nil {
		return "it left no word"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return guestlink.Clip(lines[len(lines)-1], 500)
}

// PIDOf is the process number of a domain's QEMU, from the file that a private daemon keeps it in; 0 when it is not
// known. The file is that of whoever runs as the daemon's account, so the number is one of a process of that account,
// or none.
func (s *Site) PIDOf(domain string) int {
	if !s.private {
		return 0
	}
	text, err := s.Work.ReadMade(daemon.PIDFile(domain), s.Account, 32)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !s.Account.Runs(pid) {
		return 0
	}
	return pid
}
