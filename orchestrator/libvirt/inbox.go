package libvirt

import (
	"slices"
	"sync"
)

// An inbox is a queue that senders never wait for. Whoever fills it on behalf of a guest bounds what that guest can put
// in. The zero value is not ready: use newInbox.
type inbox[T any] struct {
	mu    sync.Mutex
	items []T
	// ready holds a token while there are items; one receiver waits for it.
	ready chan struct{}
}

func newInbox[T any]() *inbox[T] { return &inbox[T]{ready: make(chan struct{}, 1)} }

func (q *inbox[T]) put(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item)
	q.signal()
}

// putStamped puts what stamp returns; calls of stamp come in the order of the items.
func (q *inbox[T]) putStamped(stamp func() T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, stamp())
	q.signal()
}

// take returns the oldest item, if there is one.
func (q *inbox[T]) take() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item, false
	}
	item = q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
	if len(q.items) > 0 {
		q.signal()
	}
	return item, true
}

func (q *inbox[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *inbox[T]) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
