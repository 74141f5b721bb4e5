package mailbox

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// dialBell connects to a bell as QEMU does.
func dialBell(t *testing.T, path string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	receive(t, conn, 18)
	send(t, conn, binary.BigEndian.AppendUint32(nil, nbdFixedNewstyle))
	const structuredReplies = 8 // which QEMU asks for first
	send(t, conn, nbdOption(structuredReplies, nil))
	if reply := receive(t, conn, 20); binary.BigEndian.Uint32(reply[12:]) != nbdRepErrUnsupported {
		t.Fatalf("reply %x to an option that is not known", reply)
	}
	send(t, conn, nbdOption(nbdOptGo, make([]byte, 6)))
	info := receive(t, conn, 20+12)
	if size := binary.BigEndian.Uint64(info[22:]); size != bellSize {
		t.Fatalf("an export of %d bytes", size)
	}
	if ack := receive(t, conn, 20); binary.BigEndian.Uint32(ack[12:]) != nbdRepAck {
		t.Fatalf("reply %x, want an acknowledgement", ack)
	}
	return conn
}

func nbdOption(option uint32, data []byte) []byte {
	message := binary.BigEndian.AppendUint64(nil, nbdOptionMagic)
	message = binary.BigEndian.AppendUint32(message, option)
	return append(binary.BigEndian.AppendUint32(message, uint32(len(data))), data...)
}

func nbdRequest(command uint16, handle uint64, length uint32) []byte {
	message := binary.BigEndian.AppendUint32(nil, nbdRequestMagic)
	message = binary.BigEndian.AppendUint32(message, uint32(command))
	message = binary.BigEndian.AppendUint64(message, handle)
	message = binary.BigEndian.AppendUint64(message, 512)
	return binary.BigEndian.AppendUint32(message, length)
}

func send(t *testing.T, w io.Writer, data []byte) {
	t.Helper()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, r io.Reader, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bell")
	rung := make(chan bool, 1)
	b, err := newBell(path, account.Account{}, func() { rung <- true })
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.answer(); err == nil {
		t.Error("answered nobody")
	}
	conn := dialBell(t, path)
	for handle := uint64(7); handle < 9; handle++ {
		send(t, conn, nbdRequest(nbdCmdRead, handle, 512))
		<-rung
		if err := b.answer(); err != nil {
			t.Fatal(err)
		}
		reply := receive(t, conn, 16+512)
		if binary.BigEndian.Uint32(reply[4:]) != 0 || binary.BigEndian.Uint64(reply[8:]) != handle {
			t.Errorf("reply %x", reply[:16])
		}
		if err := b.answer(); err == nil {
			t.Error("answered twice")
		}
	}
	const write, flush = 1, 3
	for handle, command := range []uint16{write, flush} { // refused, and no ring
		send(t, conn, append(nbdRequest(command, uint64(handle), 0), nil...))
		if reply := receive(t, conn, 16); binary.BigEndian.Uint32(reply[4:]) != nbdErrPermission {
			t.Errorf("reply %x to command %d", reply, command)
		}
	}
	send(t, conn, nbdRequest(nbdCmdRead, 1, 512))
	<-rung
	b.close() // lets who waits go on
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("an answer after the end")
	}
	if err := b.answer(); err == nil {
		t.Error("answered after the end")
	}
}

func FuzzBell(f *testing.F) {
	f.Add(append(binary.BigEndian.AppendUint32(nil, nbdFixedNewstyle), nbdOption(nbdOptGo, make([]byte, 6))...))
	f.Add(append(append(binary.BigEndian.AppendUint32(nil, 0), nbdOption(nbdOptExportName, nil)...), nbdRequest(nbdCmdRead, 1, 512)...))
	f.Add(append(append(binary.BigEndian.AppendUint32(nil, 0), nbdOption(nbdOptExportName, nil)...), nbdRequest(1, 1, 1<<31)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }() // ends when the pipe is closed
		go func() {
			_, _ = theirs.Write(data)
			_ = theirs.Close()
		}()
		defer ours.Close()
		b := &bell{rung: func() {}}
		if err := nbdGreet(ours); err == nil {
			b.serve(ours)
		}
	})
}
