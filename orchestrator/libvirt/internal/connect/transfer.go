package connect

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

const (
	procStorageVolUpload   = 208
	procStorageVolDownload = 209

	transferChunk = 1 << 20   // bytes; so many zeros are not sent
	slowest       = 256 << 10 // bytes a second that a transfer has to make
)

// A Transfer moves bytes of volumes on a connection of its own, as a stream does and for the same reasons. The
// library's own way is on the connection that all calls share: whoever does not keep up there holds up every call,
// and whoever gives up holds them up for ever.
type Transfer struct {
	conn  net.Conn
	input *bufio.Reader
}

// Transfer runs f, which moves about size bytes, until ctx ends, the daemon is lost or it took too long. f's context
// ends then, and its connection does.
func (c *Connection) Transfer(ctx context.Context, size int64, f func(context.Context, *Transfer) error) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	limit := CreateTime + time.Duration(size/slowest)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	go func() {
		select {
		case <-c.Lost():
			lost(errDisconnected)
		case <-ctx.Done():
		}
	}()
	err := c.onOwnConnection(ctx, f)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

func (c *Connection) onOwnConnection(ctx context.Context, f func(context.Context, *Transfer) error) error {
	conn, err := c.endpoint.dial(ctx, nil)
	if err != nil {
		return lostIfEnded(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	t := &Transfer{conn: conn, input: bufio.NewReaderSize(conn, streamBuffer)}
	if err := openDriver(conn, t.input, c.endpoint.uri.Driver); err != nil {
		return lostIfEnded(err)
	}
	return f(ctx, t)
}

// open opens a stream to or from a volume, from an offset in bytes to its end.
func (t *Transfer) open(procedure uint32, v golibvirt.StorageVol, offset int64) (*stream, error) {
	args := appendOpaque(appendOpaque(appendOpaque(nil, v.Pool), v.Name), v.Key)
	args = binary.BigEndian.AppendUint64(args, uint64(offset))
	args = binary.BigEndian.AppendUint64(args, 0) // all
	args = binary.BigEndian.AppendUint32(args, 0) // no flags
	early, err := rpcOpen(t.conn, t.input, procedure, args)
	if err != nil {
		return nil, lostIfEnded(err)
	}
	return t.stream(procedure, early), nil
}

// stream is what was opened, with the frames that have come already.
func (t *Transfer) stream(procedure uint32, early []byte) *stream {
	return &stream{Conn: t.conn, procedure: procedure, input: after(early, t.input)}
}

// Upload writes a volume. Chunks of zeros are left out where it is fresh: libvirt's own way to send a hole cuts off
// what another has written after it.
func (t *Transfer) Upload(ctx context.Context, v golibvirt.StorageVol, r io.Reader, size int64, fresh bool) error {
	var to *extent
	finish := func() error {
		if to == nil {
			return nil
		}
		err := to.finish()
		to = nil
		return err
	}
	buf := make([]byte, min(size, transferChunk))
	for at := int64(0); at < size; at += int64(len(buf)) {
		buf = buf[:min(size-at, int64(len(buf)))]
		n, err := io.ReadFull(r, buf)
		if err != nil {
			return fmt.Errorf("read what is to be put, after %d of %d bytes: %w", at+int64(n), size, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if fresh && bytes.Count(buf, []byte{0}) == len(buf) {
			if err := finish(); err != nil {
				return err
			}
			continue
		}
		if to == nil {
			if to, err = t.begin(ctx, v, at); err != nil {
				return err
			}
		}
		if err := to.write(buf); err != nil {
			return err
		}
	}
	if n, _ := r.Read(make([]byte, 1)); n > 0 {
		return fmt.Errorf("what is to be put has more than %d bytes", size)
	}
	return finish()
}

// An extent is a part of a volume that is being written.
type extent struct {
	to      *stream
	verdict chan error // the daemon's; nil is that all is written
}

// begin opens an extent, as soon as no other run is writing the volume.
func (t *Transfer) begin(ctx context.Context, v golibvirt.StorageVol, offset int64) (*extent, error) {
	again := time.NewTicker(BusyAgain)
	defer again.Stop()
	to, err := t.open(procStorageVolUpload, v, offset)
	for IsBusy(err) {
		select {
		case <-again.C:
			to, err = t.open(procStorageVolUpload, v, offset)
		case <-ctx.Done():
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	e := &extent{to: to, verdict: make(chan error, 1)}
	go func() {
		n, err := to.Read(make([]byte, 1))
		switch {
		case n > 0:
			err = errors.New("the daemon sends where it should receive")
		case err == io.EOF:
			err = nil
		}
		e.verdict <- err
	}()
	return e, nil
}

// write fails soon after the daemon did: what it is sent then, it throws away.
func (e *extent) write(p []byte) error {
	select {
	case err := <-e.verdict:
		if err == nil {
			err = errors.New("the daemon ended the upload")
		}
		return err
	default:
	}
	_, err := e.to.Write(p)
	return err
}

// finish waits until all is written.
func (e *extent) finish() error {
	if _, err := e.to.Conn.Write(appendFrame(nil, e.to.procedure, frameStream, statusOK, nil)); err != nil {
		return lostIfEnded(err)
	}
	return <-e.verdict
}

// Download reads a volume of size bytes.
func (t *Transfer) Download(v golibvirt.StorageVol, w io.Writer, size int64) error {
	from, err := t.open(procStorageVolDownload, v, 0)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(from, size))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes came of %d", n, size)
	}
	return err
}
