// Package inbox is a queue that senders never wait for.
package inbox

import (
	"slices"
	"sync"
)

// An Inbox is a queue that senders never wait for. Whoever fills it on behalf of a guest bounds what that guest can put
// in. The zero value is not ready: use New.
type Inbox[T any] struct {
	mu    sync.Mutex
	items []T
	// Ready holds a token while there are items; one receiver waits for it.
	Ready chan struct{}
}

// New returns an empty inbox.
func New[T any]() *Inbox[T] { return &Inbox[T]{Ready: make(chan struct{}, 1)} }

// Put adds an item.
func (q *Inbox[T]) Put(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item)
	q.signal()
}

// PutStamped puts what stamp returns; calls of stamp come in the order of the items.
func (q *Inbox[T]) PutStamped(stamp func() T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, stamp())
	q.signal()
}

// Take returns the oldest item, if there is one.
func (q *Inbox[T]) Take() (item T, ok bool) {
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

// Len is how many items wait.
func (q *Inbox[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *Inbox[T]) signal() {
	select {
	case q.Ready <- struct{}{}:
	default:
	}
}
