package connect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

const (
	streamChunk  = 64 << 10 // bytes of data that we send in a frame
	streamBuffer = 4 << 10  // bytes that are read ahead
	takeOver     = 1        // VIR_DOMAIN_CONSOLE_FORCE and VIR_DOMAIN_CHANNEL_FORCE
)

// A stream is a console or a channel of a VM, wherever the VM runs, as a net.Conn. One goroutine may read while another
// writes. Read returns io.EOF when the VM's side ended, and an error of which isLost tells when the connection did.
//
// Each stream has a connection to the daemon of its own, because libvirt's streams have no flow control but that of
// their connection, and because the daemon stops reading from a client whose data a guest does not take. So whoever
// does not keep up is made to wait, all the way from guest to reader and back, and holds up nobody else. A stream
// keeps less than 8 KiB of what is read, and one frame of what is written.
//
// A peer that vanished while it had data to acknowledge is noticed by the connection that opened the stream, not here.
//
// A read that ran into its deadline can be repeated. After a write that did, Write's number tells what was taken;
// what is left of a frame goes before what is written next. On TLS no more can be written then, see
// [crypto/tls.Conn.SetWriteDeadline]. Close does not wait for what was written to reach the guest.
type stream struct {
	net.Conn
	procedure uint32 // that opened it
	input     *bufio.Reader

	header  [headerSize]byte // of the frame that is being read
	have    int              // bytes of header
	left    int              // bytes of the frame's payload
	trouble []byte           // payload of a frame that is an error
	failing bool             // the frame is one
	ended   error            // what Read returns from now on

	unsent []byte // rest of a frame whose writing ran into the deadline
}

// OpenConsole opens the console of a domain, its first serial port, which has to be a pty. Whoever else has it open
// loses it. What the guest says while nobody has it open is lost. QEMU looks each second whether a pty was opened; of
// what the guest says until it has looked, QEMU 7.2 as released loses all, and Debian's 7.2.22 what the terminal does
// not take at once.
func (c *Connection) OpenConsole(ctx context.Context, domain golibvirt.Domain) (net.Conn, error) {
	s, err := c.openStream(ctx, procDomainOpenConsole, domain, "")
	if err != nil {
		err = fmt.Errorf("open console of %s: %w", domain.Name, err)
		if strings.Contains(err.Error(), "lock file") {
			// libvirt believes what a killed daemon has left once its number is another process's, and cannot remove
			// another user's.
			err = fmt.Errorf("%w; if no libvirtd that runs has this console open, one that was killed has left the file: remove it on that machine", err)
		}
		return nil, err
	}
	return s, nil
}

// OpenChannel opens a virtio channel of a domain, which has to be one of a unix socket. Whoever else has it open
// loses it.
func (c *Connection) OpenChannel(ctx context.Context, domain golibvirt.Domain, name string) (net.Conn, error) {
	s, err := c.openStream(ctx, procDomainOpenChannel, domain, name)
	if err != nil {
		return nil, fmt.Errorf("open channel %s of %s: %w", name, domain.Name, err)
	}
	return s, nil
}

// openStream makes the call that opens a stream to a device of a domain; "" is the first.
func (c *Connection) openStream(
	ctx context.Context, procedure uint32, domain golibvirt.Domain, device string,
) (*stream, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTime)
	defer cancel()
	conn, err := c.endpoint.dial(ctx, nil)
	if err != nil {
		return nil, lostIfEnded(err)
	}
	s := &stream{Conn: conn, procedure: procedure, input: bufio.NewReaderSize(conn, streamBuffer)}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	args := appendOptional(appendDomain(nil, domain), device)
	if err = openDriver(conn, s.input, c.endpoint.uri.Driver); err == nil {
		var early []byte
		early, err = rpcOpen(conn, s.input, procedure, append(args, 0, 0, 0, takeOver))
		s.input = after(early, s.input)
	}
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(lostIfEnded(err), conn.Close())
	}
	return s, nil
}

// Read implements net.Conn.
func (s *stream) Read(p []byte) (int, error) {
	for s.ended == nil {
		switch {
		case s.left > 0 && s.failing:
			rest := s.trouble[len(s.trouble):cap(s.trouble)]
			n, err := s.input.Read(rest[:s.left])
			s.trouble, s.left = s.trouble[:len(s.trouble)+n], s.left-n
			if err != nil {
				return 0, s.interrupted(err)
			}
		case s.failing:
			s.ended = fmt.Errorf("the daemon ended the stream: %w", parseRemoteError(s.trouble))
		case s.left > 0:
			n, err := s.input.Read(p[:min(len(p), s.left)])
			s.left -= n
			if err != nil {
				err = s.interrupted(err)
			}
			return n, err
		default:
			n, err := s.input.Read(s.header[s.have:])
			if s.have += n; err != nil {
				return 0, s.interrupted(err)
			}
			if s.have == headerSize {
				s.have, s.ended = 0, s.begin()
			}
		}
	}
	return 0, s.ended
}

// begin takes a frame's header in. Its error ends the stream.
func (s *stream) begin() error {
	h, err := parseHeader(&s.header)
	if err != nil {
		return err
	}
	s.left = int(h.size - headerSize)
	switch {
	case h.kind != frameStream || h.program != remoteProgram || h.procedure != s.procedure || h.serial != oneCall:
		return fmt.Errorf("a frame of type %d to procedure %d in a stream of procedure %d", h.kind, h.procedure, s.procedure)
	case h.status == statusError:
		if s.left > maxTrouble {
			return fmt.Errorf("the daemon ended the stream with an error of %d bytes", s.left)
		}
		s.failing, s.trouble = true, make([]byte, 0, s.left)
		return nil
	case h.status == statusOK, s.left == 0: // also no data at all means that there will be no more
		return io.EOF
	}
	return nil
}

// interrupted remembers an error of the connection, unless it is a deadline's.
func (s *stream) interrupted(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	s.ended = lostIfEnded(err)
	return s.ended
}

// Write implements net.Conn.
func (s *stream) Write(p []byte) (n int, err error) {
	if err := s.flush(); err != nil {
		return 0, err
	}
	for n < len(p) {
		chunk := p[n:min(n+streamChunk, len(p))]
		s.unsent = appendFrame(s.unsent, s.procedure, frameStream, statusContinue, chunk)
		whole := len(s.unsent)
		err := s.flush()
		if err == nil || len(s.unsent) < whole {
			n += len(chunk) // a frame that was begun will be ended
		} else {
			s.unsent = s.unsent[:0]
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// flush writes what is unsent.
func (s *stream) flush() error {
	for len(s.unsent) > 0 {
		n, err := s.Conn.Write(s.unsent)
		s.unsent = append(s.unsent[:0], s.unsent[n:]...)
		if err != nil {
			return lostIfEnded(err)
		}
	}
	return nil
}
