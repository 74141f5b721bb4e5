package mailbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// A bell is the floppy drive that a guest on the virtual clock reads to be answered, see agents/guest: an NBD export
// that serves one QEMU on a unix socket. A read is not answered until answer is called, and as long as it is not the
// guest's CPU stands still. Names and numbers are those of the NBD protocol, doc/proto.md of its reference
// implementation.
type bell struct {
	listener net.Listener
	path     string
	account  account.Account // whom QEMU runs as: nobody else is served
	rung     func()          // called for each read; it must not block

	mu     sync.Mutex
	conn   net.Conn
	closed bool
	handle uint64 // of the read that waits, with its length
	length uint32
	waits  bool

	served sync.WaitGroup
}

const (
	bellSize = 1440 << 10 // bytes of a floppy disk

	nbdMagic         = 0x4e42444d41474943 // "NBDMAGIC"
	nbdOptionMagic   = 0x49484156454f5054 // "IHAVEOPT"
	nbdOptionReply   = 0x3e889045565a9
	nbdRequestMagic  = 0x25609513
	nbdReplyMagic    = 0x67446698
	nbdFixedNewstyle = 1 | 2 // handshake flags: fixed newstyle, no zeroes

	nbdOptExportName, nbdOptAbort, nbdOptInfo, nbdOptGo = 1, 2, 6, 7
	nbdRepAck, nbdRepInfo, nbdRepErrUnsupported         = 1, 3, 1<<31 | 1
	nbdInfoExport                                       = 0
	nbdFlagReadOnly                                     = 1 | 2 // transmission flags: has flags, read only
	nbdCmdRead, nbdCmdDisconnect                        = 0, 2
	nbdErrPermission                                    = 1
	maxNBDOption                                        = 4 << 10 // bytes of an option of QEMU's
	maxNBDRead                                          = 64 << 10
)

// newBell listens for a QEMU of this account at the socket, which nobody else may connect to.
func newBell(path string, a account.Account, rung func()) (*bell, error) {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make a bell: %w", err)
	}
	if err := a.UsePath(path); err != nil {
		return nil, errors.Join(fmt.Errorf("make a bell: %w", err), listener.Close())
	}
	b := &bell{listener: listener, path: path, account: a, rung: rung}
	b.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if !b.account.Is(conn) { // root, say, or a file system that does not look at the rights of sockets
				_ = conn.Close()
				continue
			}
			if !b.connected(conn) {
				return
			}
			defer conn.Close()
			if err := nbdGreet(conn); err == nil {
				b.serve(conn)
			}
			return
		}
	})
	return b, nil
}

func (b *bell) connected(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		_ = conn.Close()
		return false
	}
	b.conn = conn
	return true
}

// nbdGreet negotiates: the export has no name and no options.
func nbdGreet(conn io.ReadWriter) error {
	hello := binary.BigEndian.AppendUint64(nil, nbdMagic)
	hello = binary.BigEndian.AppendUint64(hello, nbdOptionMagic)
	if _, err := conn.Write(binary.BigEndian.AppendUint16(hello, nbdFixedNewstyle)); err != nil {
		return err
	}
	var flags [4]byte
	if _, err := io.ReadFull(conn, flags[:]); err != nil {
		return err
	}
	export := binary.BigEndian.AppendUint64(nil, bellSize)
	export = binary.BigEndian.AppendUint16(export, nbdFlagReadOnly)
	for {
		var header [16]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return err
		}
		option, size := binary.BigEndian.Uint32(header[8:]), binary.BigEndian.Uint32(header[12:])
		if binary.BigEndian.Uint64(header[:]) != nbdOptionMagic || size > maxNBDOption {
			return errors.New("not an NBD client")
		}
		if _, err := io.CopyN(io.Discard, conn, int64(size)); err != nil {
			return err
		}
		var replies []byte
		reply := func(kind uint32, data []byte) {
			replies = binary.BigEndian.AppendUint64(replies, nbdOptionReply)
			replies = binary.BigEndian.AppendUint32(replies, option)
			replies = binary.BigEndian.AppendUint32(replies, kind)
			replies = binary.BigEndian.AppendUint32(replies, uint32(len(data)))
			replies = append(replies, data...)
		}
		switch option {
		case nbdOptExportName:
			_, err := conn.Write(export)
			return err
		case nbdOptInfo, nbdOptGo:
			reply(nbdRepInfo, append([]byte{0, nbdInfoExport}, export...))
			reply(nbdRepAck, nil)
		case nbdOptAbort:
			reply(nbdRepAck, nil)
		default:
			reply(nbdRepErrUnsupported, nil)
		}
		if _, err := conn.Write(replies); err != nil || option == nbdOptGo {
			return err
		}
		if option == nbdOptAbort {
			return errors.New("the client has aborted")
		}
	}
}

// serve takes requests until the connection ends.
func (b *bell) serve(conn net.Conn) {
	for {
		var header [28]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil {
			return
		}
		command := binary.BigEndian.Uint16(header[6:])
		handle, length := binary.BigEndian.Uint64(header[8:]), binary.BigEndian.Uint32(header[24:])
		switch {
		case binary.BigEndian.Uint32(header[:]) != nbdRequestMagic, command == nbdCmdDisconnect:
			return
		case command == nbdCmdRead && length <= maxNBDRead:
			b.mu.Lock()
			b.handle, b.length, b.waits = handle, length, true
			b.mu.Unlock()
			b.rung()
		default:
			if command == 1 { // a write, whose data follow
				if _, err := io.CopyN(io.Discard, conn, int64(length)); err != nil {
					return
				}
			}
			if _, err := conn.Write(nbdReply(handle, nbdErrPermission, 0)); err != nil {
				return
			}
		}
	}
}

// answer lets the guest go on. It is an error when nobody waits any more.
func (b *bell) answer() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.waits || b.closed {
		return errors.New("nobody has rung")
	}
	b.waits = false
	_, err := b.conn.Write(nbdReply(b.handle, 0, b.length))
	return err
}

// nbdReply is a reply with a number of zeros for data.
func nbdReply(handle uint64, failure, length uint32) []byte {
	reply := binary.BigEndian.AppendUint32(nil, nbdReplyMagic)
	reply = binary.BigEndian.AppendUint32(reply, failure)
	reply = binary.BigEndian.AppendUint64(reply, handle)
	return append(reply, make([]byte, length)...)
}

// close ends the connection: a guest that waits goes on unanswered.
func (b *bell) close() {
	b.mu.Lock()
	b.closed = true
	conn := b.conn
	b.mu.Unlock()
	_ = b.listener.Close()
	if conn != nil {
		_ = conn.Close()
	}
	b.served.Wait()
	_ = os.Remove(b.path) // closing the listener has removed it, unless that failed
}
