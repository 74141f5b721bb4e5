package connect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// The part of libvirt's protocol that streams need: https://libvirt.org/kbase/internals/rpc.html. The library has no
// stream that is read and written at once.
const (
	remoteProgram = 0x20008086
	remoteVersion = 1

	procConnectOpen       = 1
	procAuthList          = 66
	procAuthPolkit        = 70
	procDomainOpenConsole = 201
	procDomainOpenChannel = 296

	authNone   = 0
	authPolkit = 2

	headerSize = 28         // bytes, with the length
	maxFrame   = 4 + 32<<20 // bytes, with the length: VIR_NET_MESSAGE_MAX
	maxTrouble = 64 << 10   // bytes of an error or of a reply that we take
	oneCall    = 1          // serial of a stream's calls: they come one after the other
)

// Types of frames, and their status.
const (
	frameCall   = 0
	frameReply  = 1
	frameStream = 3

	statusOK       = 0 // of a stream: its end, confirmed
	statusError    = 1
	statusContinue = 2 // of a stream: data
)

// A header begins every frame.
type header struct {
	size      uint32 // of the frame, in bytes, with this header
	program   uint32
	version   uint32
	procedure uint32
	kind      uint32
	serial    uint32
	status    uint32
}

// parseHeader refuses what no libvirt daemon sends.
func parseHeader(b *[headerSize]byte) (header, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[4*i:]) }
	h := header{word(0), word(1), word(2), word(3), word(4), word(5), word(6)}
	return h, checkFrameSize(h.size)
}

func checkFrameSize(size uint32) error {
	if size < headerSize || size > maxFrame {
		return fmt.Errorf("a frame of %d bytes, want %d to %d: this is no libvirt daemon", size, headerSize, maxFrame)
	}
	return nil
}

func (h header) append(b []byte) []byte {
	for _, word := range []uint32{h.size, h.program, h.version, h.procedure, h.kind, h.serial, h.status} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// appendFrame appends a frame of our own.
func appendFrame(b []byte, procedure, kind, status uint32, payload []byte) []byte {
	h := header{
		size: uint32(headerSize + len(payload)), program: remoteProgram, version: remoteVersion,
		procedure: procedure, kind: kind, serial: oneCall, status: status,
	}
	return append(h.append(b), payload...)
}

// appendOpaque appends bytes of any number as XDR has them, RFC 4506: their number, themselves, zeros up to a
// multiple of four.
func appendOpaque(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return append(b, make([]byte, -len(text)&3)...)
}

// appendOptional appends a string that may be absent; it is when empty.
func appendOptional(b []byte, text string) []byte {
	if text == "" {
		return binary.BigEndian.AppendUint32(b, 0)
	}
	return appendOpaque(binary.BigEndian.AppendUint32(b, 1), text)
}

func appendDomain(b []byte, d golibvirt.Domain) []byte {
	b = appendOpaque(b, d.Name)
	b = append(b, d.UUID[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(d.ID))
}

// parseRemoteError reads libvirt's remote_error as far as it tells something: a golibvirt.Error.
func parseRemoteError(b []byte) error {
	word := func() (n uint32, ok bool) {
		if len(b) < 4 {
			return 0, false
		}
		n, b = binary.BigEndian.Uint32(b), b[4:]
		return n, true
	}
	code, ok := word()
	if !ok {
		return errors.New("an error that cannot be read")
	}
	e := golibvirt.Error{Code: code, Message: fmt.Sprintf("error %d without a message", code)}
	_, _ = word() // the part of libvirt that it comes from
	if present, ok := word(); !ok || present == 0 {
		return e
	}
	if n, ok := word(); ok && n > 0 && uint64(n) <= uint64(len(b)) {
		e.Message = string(b[:n])
	}
	return e
}

// rpcCall makes one call on a connection of its own and returns the reply's payload.
func rpcCall(w io.Writer, r *bufio.Reader, procedure uint32, args []byte) ([]byte, error) {
	reply, _, err := rpcExchange(w, r, procedure, args)
	return reply, err
}

// rpcOpen is rpcCall for a call that opens a stream. The daemon may send data before its reply, in another thread:
// these frames are returned.
func rpcOpen(w io.Writer, r *bufio.Reader, procedure uint32, args []byte) (early []byte, err error) {
	_, early, err = rpcExchange(w, r, procedure, args)
	return early, err
}

// rpcExchange makes a call and reads up to its reply. What the daemon says of its own accord meanwhile is skipped;
// frames of the stream that the call opens are kept, whole.
func rpcExchange(w io.Writer, r *bufio.Reader, procedure uint32, args []byte) (reply, early []byte, err error) {
	if _, err := w.Write(appendFrame(nil, procedure, frameCall, statusOK, args)); err != nil {
		return nil, nil, err
	}
	for {
		var b [headerSize]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, nil, err
		}
		h, err := parseHeader(&b)
		if err != nil {
			return nil, nil, err
		}
		size := int(h.size - headerSize)
		ours := h.program == remoteProgram && h.procedure == procedure && h.serial == oneCall
		switch {
		case !ours || h.kind != frameReply && h.kind != frameStream:
			if _, err := r.Discard(size); err != nil {
				return nil, nil, err
			}
			continue
		case h.kind == frameReply && size > maxTrouble:
			return nil, nil, fmt.Errorf("a reply of %d bytes to procedure %d, the limit is %d", size, procedure, maxTrouble)
		case len(early)+int(h.size) > maxFrame:
			return nil, nil, fmt.Errorf("no reply to procedure %d within %d bytes", procedure, maxFrame)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil, nil, err
		}
		switch {
		case h.kind == frameStream:
			early = append(append(early, b[:]...), payload...)
		case h.status != statusOK:
			return nil, nil, parseRemoteError(payload)
		default:
			return payload, early, nil
		}
	}
}

// after is what is read behind frames that have come already.
func after(early []byte, input *bufio.Reader) *bufio.Reader {
	if len(early) == 0 {
		return input
	}
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), input), streamBuffer)
}

// openDriver makes a fresh connection one to the daemon's driver, such as qemu:///system.
func openDriver(w io.Writer, r *bufio.Reader, driver string) error {
	// The daemon refuses who has not asked how to authenticate, also where it wants nothing.
	reply, err := rpcCall(w, r, procAuthList, nil)
	if err != nil {
		return err
	}
	if len(reply) >= 8 { // a count and the first of that many
		switch how := binary.BigEndian.Uint32(reply[4:]); how {
		case authNone:
		case authPolkit:
			if _, err := rpcCall(w, r, procAuthPolkit, nil); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the daemon wants authentication of kind %d; only none, certificates and polkit are known here", how)
		}
	}
	args := appendOptional(nil, driver)
	_, err = rpcCall(w, r, procConnectOpen, binary.BigEndian.AppendUint32(args, 0))
	return err
}

// A checked connection ends, once and for all, at the first frame that no libvirt daemon sends, and at the first
// error. The library takes a frame's length as it comes, and panics at one that is too short; some errors it takes
// for temporary.
type checked struct {
	net.Conn
	length [4]byte // of the frame that is being read
	have   int     // bytes of length
	left   uint32  // bytes of the frame after its length
	err    error
	ended  chan struct{} // closed when err is set
}

func newChecked(c net.Conn) *checked { return &checked{Conn: c, ended: make(chan struct{})} }

func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	if e := c.check(p[:n]); e != nil {
		n, err = 0, e
	}
	if err != nil {
		c.err = fmt.Errorf("%w: %w", errDisconnected, err)
		close(c.ended)
		err = c.err
	}
	return n, err
}

func (c *checked) check(p []byte) error {
	for len(p) > 0 {
		if c.left > 0 {
			skip := min(uint64(c.left), uint64(len(p)))
			c.left, p = c.left-uint32(skip), p[skip:]
			continue
		}
		c.length[c.have], p = p[0], p[1:]
		if c.have++; c.have < len(c.length) {
			continue
		}
		size := binary.BigEndian.Uint32(c.length[:])
		if err := checkFrameSize(size); err != nil {
			return err
		}
		c.have, c.left = 0, size-uint32(len(c.length))
	}
	return nil
}

// why is what ended the connection; nil before.
func (c *checked) why() error {
	select {
	case <-c.ended:
		return c.err
	default:
		return nil
	}
}
