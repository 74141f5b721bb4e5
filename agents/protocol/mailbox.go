package protocol

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// A Mailbox is memory that a guest shares with its host: the protocol's transport for a machine whose clock stands still
// while it is answered. The guest puts its request in and rings, and its CPU stops in the middle of the instruction that
// rings; when it goes on, the reply is there. The memory has MailboxSize bytes:
//
//	   0  number of the request, counted up by the guest
//	   8  bytes of the request
//	  16  number of the request that was answered, by the host
//	  24  bytes of the reply
//	  32  not zero: for how many ticks of its time-stamp counter the guest is to wait, and then to ask again
//	4 KiB  the request, at most MaxLine bytes
//	1 MiB  the reply, at most MaxReply bytes
//
// Numbers are 64 bits wide, in the byte order of the machine, which both ends share.
type Mailbox []byte

// MailboxSize is a power of two: the memory is a PCI device's.
const MailboxSize = 4 << 20

const (
	boxAsked      = 0
	boxRequest    = 8
	boxAnswered   = 16
	boxReply      = 24
	boxHeld       = 32
	boxRequestsAt = 4 << 10
	boxRepliesAt  = 1 << 20
)

func (m Mailbox) word(at int) *uint64 { return (*uint64)(unsafe.Pointer(&m[at])) }

// Ask puts a request in, before the guest rings, and returns its number.
func (m Mailbox) Ask(line []byte) (number uint64, err error) {
	if len(line) > MaxLine {
		return 0, fmt.Errorf("the request has %d bytes, at most %d", len(line), MaxLine)
	}
	copy(m[boxRequestsAt:], line)
	atomic.StoreUint64(m.word(boxRequest), uint64(len(line)))
	return atomic.AddUint64(m.word(boxAsked), 1), nil
}

// Reply is the host's answer to a request; false when there is none.
func (m Mailbox) Reply(number uint64) (line []byte, ok bool) {
	size := atomic.LoadUint64(m.word(boxReply))
	if atomic.LoadUint64(m.word(boxAnswered)) != number || size > MaxReply {
		return nil, false
	}
	return m[boxRepliesAt:][:size:size], true
}

// Held is for how many ticks of its time-stamp counter the guest has to wait, without ringing, before it asks again; 0 when it has not.
func (m Mailbox) Held() uint64 { return atomic.LoadUint64(m.word(boxHeld)) }

// Request is what the guest asks, for a host that was rung for. The bytes are a copy: a guest may change its own at any time.
func (m Mailbox) Request() (number uint64, line []byte, err error) {
	number = atomic.LoadUint64(m.word(boxAsked))
	size := atomic.LoadUint64(m.word(boxRequest))
	if size > MaxLine {
		return number, nil, fmt.Errorf("a request of %d bytes, at most %d", size, MaxLine)
	}
	return number, append([]byte(nil), m[boxRequestsAt:][:size]...), nil
}

// Answer puts the reply to a request in, before the host lets the guest go on.
func (m Mailbox) Answer(number uint64, line []byte) error {
	if len(line) > MaxReply {
		return fmt.Errorf("the reply has %d bytes, at most %d", len(line), MaxReply)
	}
	copy(m[boxRepliesAt:], line)
	atomic.StoreUint64(m.word(boxReply), uint64(len(line)))
	atomic.StoreUint64(m.word(boxAnswered), number)
	atomic.StoreUint64(m.word(boxHeld), 0)
	return nil
}

// Snapshot is what a machine that is stopped while it asks, is held, or is about to ask again may have put in or still has to
// read: all but the reply.
func (m Mailbox) Snapshot() []byte {
	size := min(atomic.LoadUint64(m.word(boxRequest)), MaxLine)
	return append([]byte(nil), m[:boxRequestsAt+size]...)
}

// Resume makes a fresh mailbox that of a copy of the machine whose mailbox this is a snapshot of.
func (m Mailbox) Resume(snapshot []byte) error {
	if len(snapshot) < boxRequestsAt || len(snapshot) > boxRequestsAt+MaxLine {
		return fmt.Errorf("a mailbox of %d bytes", len(snapshot))
	}
	copy(m, snapshot)
	return nil
}

// Hold, in the place of Answer, makes the guest wait for so many ticks of its time-stamp counter when it goes on, and ask again.
// It is how a machine is held where it can be copied: see agents/guest.
func (m Mailbox) Hold(ticks uint64) { atomic.StoreUint64(m.word(boxHeld), ticks) }
