package connect

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// reopenEvery is the pace at which a wire that was cut is opened again. A VM that has ended is mostly known as such
// by then.
const reopenEvery = 500 * time.Millisecond

// A Wire is a machine's console or channel, as long as the machine lives. One that is a stream of the daemon ends
// with the daemon, which the VM outlives: then it is opened again. What was under way in it is lost.
type Wire[C io.Closer] struct {
	Open     func(context.Context) (C, error)
	Daemon   *Lifeline   // whose stream it is; nil for one that ends with its VM only
	Cut      func(error) // told when it ends and each time that it cannot be opened again, with the reason
	Restored func()      // told when it is open again

	mu     sync.Mutex
	Conn   C
	opened bool // conn is one
	closed bool
}

// Connect opens it.
func (w *Wire[C]) Connect(ctx context.Context) error {
	conn, err := w.Open(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errors.Join(context.Canceled, conn.Close())
	}
	w.Conn, w.opened = conn, true
	return nil
}

// Attend has it read, each time that it was opened, until the machine has ended or ctx has.
func (w *Wire[C]) Attend(ctx context.Context, read func(C) error) {
	for {
		err := read(w.Conn) // which nobody else changes
		if w.Daemon == nil || !w.reconnect(ctx, err) {
			return // the domain's events tell why, or the lifeline's end
		}
	}
}

// reconnect opens it after it was cut; false when there is nothing to be opened any more.
func (w *Wire[C]) reconnect(ctx context.Context, why error) bool {
	again := time.NewTicker(reopenEvery)
	defer again.Stop()
	for ctx.Err() == nil {
		w.Cut(why)
		select {
		case <-again.C:
		case <-ctx.Done():
			return false
		case <-w.Daemon.Lost():
			return false
		}
		if why = w.Connect(ctx); why == nil {
			w.Restored()
			return true
		}
		if IsGone(why) {
			return false
		}
	}
	return false
}

// Close ends it, and who reads from it.
func (w *Wire[C]) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.opened {
		_ = w.Conn.Close() // what was to come through it is of no use any more
	}
}
