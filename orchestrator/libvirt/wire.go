package libvirt

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// reopenEvery is the pace at which a wire that was cut is opened again. A VM that has ended is mostly known as such by then.
const reopenEvery = 500 * time.Millisecond

// A wire is a machine's console or channel, as long as the machine lives. One that is a stream of the daemon ends with the daemon,
// which the VM outlives: then it is opened again. What was under way in it is lost.
type wire[C io.Closer] struct {
	open     func(context.Context) (C, error)
	daemon   *lifeline   // whose stream it is; nil for one that ends with its VM only
	cut      func(error) // told when it ends and each time that it cannot be opened again, with the reason
	restored func()      // told when it is open again

	mu     sync.Mutex
	conn   C
	opened bool // conn is one
	closed bool
}

// connect opens it.
func (w *wire[C]) connect(ctx context.Context) error {
	conn, err := w.open(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errors.Join(context.Canceled, conn.Close())
	}
	w.conn, w.opened = conn, true
	return nil
}

// attend has it read, each time that it was opened, until the machine has ended or ctx has.
func (w *wire[C]) attend(ctx context.Context, read func(C) error) {
	for {
		err := read(w.conn) // which nobody else changes
		if w.daemon == nil || !w.reconnect(ctx, err) {
			return // the domain's events tell why, or the lifeline's end
		}
	}
}

// reconnect opens it after it was cut; false when there is nothing to be opened any more.
func (w *wire[C]) reconnect(ctx context.Context, why error) bool {
	again := time.NewTicker(reopenEvery)
	defer again.Stop()
	for ctx.Err() == nil {
		w.cut(why)
		select {
		case <-again.C:
		case <-ctx.Done():
			return false
		case <-w.daemon.lost():
			return false
		}
		if why = w.connect(ctx); why == nil {
			w.restored()
			return true
		}
		if isGone(why) {
			return false
		}
	}
	return false
}

// close ends it, and who reads from it.
func (w *wire[C]) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.opened {
		_ = w.conn.Close() // what was to come through it is of no use any more
	}
}
