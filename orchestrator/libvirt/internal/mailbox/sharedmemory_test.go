package mailbox

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// Memory whose file was cut short is an error, each time that it is touched, and not this process's end.
func TestMemoryThatIsGone(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, err := mapShared(file, protocol.MailboxSize)
	if err != nil {
		t.Fatal(err)
	}
	number, err := m.box.Ask([]byte("a request"))
	if err != nil {
		t.Fatal(err)
	}
	if _, line, err := m.request(); err != nil || string(line) != "a request" {
		t.Fatalf("%q, %v", line, err)
	}
	letters, err := m.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	_, _, requested := m.request()
	_, snapped := m.snapshot()
	for what, err := range map[string]error{
		"request": requested, "answer": m.answer(number, []byte("a reply")), "hold": m.hold(1), "snapshot": snapped, "resume": m.resume(letters),
	} {
		if !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
}

// A mailbox for which the disk has no room is refused when it is made, and not found out when a page of it is written
// to.
func TestNoRoomForAMailbox(t *testing.T) {
	capability.Need(t, os.Getuid() == 0, "root", "the test mounts a small file system")
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size=1m"); err != nil {
		capability.Need(t, false, "mount", "run as root with CAP_SYS_ADMIN")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	file, err := os.Create(filepath.Join(dir, "mailbox"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if m, err := mapShared(file, protocol.MailboxSize); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d bytes, %v", len(m.box), err)
		_ = m.close()
	}
}
