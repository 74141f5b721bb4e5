package connect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// A scripted connection is read from a text, in pieces that a reader makes.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func newStream(conn net.Conn) *stream {
	return &stream{Conn: conn, procedure: procDomainOpenConsole, input: bufio.NewReaderSize(conn, streamBuffer)}
}

func frame(kind, status uint32, payload string) string {
	return string(appendFrame(nil, procDomainOpenConsole, kind, status, []byte(payload)))
}

func data(text string) string { return frame(frameStream, statusContinue, text) }

// remoteError is what a daemon says that failed, RFC 4506: code, part of libvirt, message.
func remoteError(code uint32, message string) string {
	b := binary.BigEndian.AppendUint32(nil, code)
	b = binary.BigEndian.AppendUint32(b, 10)
	b = appendOptional(b, message)
	return string(append(b, make([]byte, 40)...)) // level and what else there is
}

func TestStreamRead(t *testing.T) {
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	says := func(text string) func(error) bool {
		return func(err error) bool { return err != nil && !IsLost(err) && strings.Contains(err.Error(), text) }
	}
	long := strings.Repeat("0123456789", streamBuffer)
	for _, v := range []struct {
		name, input, want string
		end               func(error) bool
	}{
		{"data and an end", data("abc") + data("d") + frame(frameStream, statusOK, "") + data("no more"), "abcd", is(nil)},
		{"an end without data", data("abc") + data("") + data("no more"), "abc", is(nil)},
		{"long frames", data(long) + data(long) + data(""), long + long, is(nil)},
		{"a lost connection", data("abc"), "abc", IsLost},
		{"a lost connection within a header", data("abc")[:30], "ab", IsLost},
		{"a lost connection within an error", frame(frameStream, statusError, remoteError(38, "no"))[:40], "", IsLost},
		{"an error", data("abc") + frame(frameStream, statusError, remoteError(38, "it broke")), "abc", says("it broke")},
		{"an error without a message", frame(frameStream, statusError, remoteError(38, "")), "", says("error 38")},
		{"an empty error", frame(frameStream, statusError, ""), "", says("cannot be read")},
		{"no domain", frame(frameStream, statusError, remoteError(uint32(golibvirt.ErrNoDomain), "gone")), "", IsGone},
		{"too long an error", frame(frameStream, statusError, strings.Repeat("x", maxTrouble+1)), "", says("65537 bytes")},
		{"another procedure", string(appendFrame(nil, procDomainOpenChannel, frameStream, statusContinue, nil)), "", says("procedure 296")},
		{"a reply", frame(frameReply, statusOK, ""), "", says("type 1")},
		{"too short a frame", "\x00\x00\x00\x1b" + strings.Repeat("\x00", 24), "", says("27 bytes")},
		{"too long a frame", "HTTP/1.1 400 Bad Request\r\n\r\n", "", says("no libvirt daemon")},
	} {
		t.Run(v.name, func(t *testing.T) {
			for how, pieces := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "error with data": iotest.DataErrReader,
			} {
				got, err := io.ReadAll(newStream(scripted{Reader: pieces(strings.NewReader(v.input))}))
				if string(got) != v.want || !v.end(err) {
					t.Errorf("%s: %d bytes %.40q, %v", how, len(got), got, err)
				}
			}
		})
	}
}

// A stutter is a reader that runs into a deadline before every byte.
type stutter struct {
	r     io.Reader
	ready bool
}

func (s *stutter) Read(p []byte) (int, error) {
	s.ready = !s.ready
	if s.ready {
		return 0, os.ErrDeadlineExceeded
	}
	return s.r.Read(p[:1])
}

// TestStreamReadDeadline has a deadline come between any two bytes: nothing is lost.
func TestStreamReadDeadline(t *testing.T) {
	input := data("abc") + data("defg") + frame(frameStream, statusError, remoteError(1, "over"))
	s := newStream(scripted{Reader: &stutter{r: strings.NewReader(input)}})
	var got []byte
	buffer, deadlines := make([]byte, 10), 0
	for {
		n, err := s.Read(buffer)
		got = append(got, buffer[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			deadlines++
		} else if err != nil {
			if string(got) != "abcdefg" || !strings.Contains(err.Error(), "over") || deadlines < len(input) {
				t.Errorf("read %q, %d deadlines, %v", got, deadlines, err)
			}
			return
		}
	}
}

// TestStreamWrite has a peer that takes some bytes and then none until the deadline has passed: it gets whole frames
// with what Write said that it took.
func TestStreamWrite(t *testing.T) {
	first := strings.Repeat("first ", 20_000) // of two frames
	for _, takes := range []int{0, 1, headerSize, headerSize + 100, headerSize + streamChunk, headerSize + streamChunk + 5} {
		t.Run(fmt.Sprint(takes), func(t *testing.T) {
			here, there := net.Pipe()
			defer here.Close()
			s := newStream(here)
			var sent bytes.Buffer
			taken := make(chan error, 1)
			go func() {
				_, err := io.CopyN(&sent, there, int64(takes))
				taken <- err
			}()
			passed := make(chan error, 1)
			go func() { // the deadline comes when the peer has had its bytes
				err := <-taken
				passed <- errors.Join(err, s.SetWriteDeadline(time.Unix(1, 0)))
			}()
			n, err := s.Write([]byte(first))
			if !errors.Is(err, os.ErrDeadlineExceeded) || n > len(first) {
				t.Fatalf("write to a peer that takes %d bytes: %d, %v", takes, n, err)
			}
			if err := <-passed; err != nil {
				t.Fatal(err)
			}
			if err := s.SetWriteDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := io.Copy(&sent, there)
				taken <- err
			}()
			if n, err := s.Write([]byte("second")); n != 6 || err != nil {
				t.Errorf("write again: %d, %v", n, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-taken; err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(newStream(scripted{Reader: io.MultiReader(&sent, strings.NewReader(data("")))}))
			if want := first[:n] + "second"; string(got) != want || err != nil {
				t.Errorf("the peer got %d bytes, want %d; %v", len(got), len(want), err)
			}
		})
	}
}

// FuzzStream reads what a daemon could send, and has the library's guard look at it: no more comes out than went in.
func FuzzStream(f *testing.F) {
	f.Add([]byte(data("abc") + data("")))
	f.Add([]byte(data("abc") + frame(frameStream, statusError, remoteError(38, "it broke"))))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := scripted{Reader: bytes.NewReader(input)}
		if got, _ := io.ReadAll(newStream(conn)); len(got) > len(input) {
			t.Errorf("%d bytes out of %d", len(got), len(input))
		}
		c := newChecked(scripted{Reader: bytes.NewReader(input)})
		got, err := io.ReadAll(c)
		if !bytes.HasPrefix(input, got) || !IsLost(err) || c.why() == nil {
			t.Errorf("checked: %d bytes of %d, %v, %v", len(got), len(input), err, c.why())
		}
		for len(got) >= 4 { // what is let through are frames, the last may be cut
			size := binary.BigEndian.Uint32(got)
			if size < headerSize || size > maxFrame {
				t.Fatalf("a frame of %d bytes was let through", size)
			}
			got = got[min(uint64(size), uint64(len(got))):]
		}
	})
}
