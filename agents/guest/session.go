package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const retryPause = time.Second // before a request that got no reply is made again

// A transport carries a request to the host and brings its reply, which has the request's ID and boot. It gives up,
// with an error, when there is no reply in the time that suits it.
type transport interface {
	Exchange(protocol.Request) (protocol.Reply, error)
}

// openTransport opens the way to the host that this machine has.
func openTransport(ctx context.Context, link string, log *logger) transport {
	if link == mailboxLink {
		return openMailbox(ctx, log)
	}
	return &port{file: openPort(ctx, log)}
}

// A session is this boot's conversation with the host: one request at a time, repeated until it is answered.
type session struct {
	transport transport
	boot      string // the kernel's boot ID
	orders    func([]protocol.Order)
	log       *logger

	mu sync.Mutex
	id uint64
}

// call makes a request and returns the reply, after the reply's orders were carried out. A request without a reply is
// made again under a new ID, for as long as ctx lives: without a host there is nothing else to do. The error is ctx's,
// or says that the host did not understand.
func (s *session) call(ctx context.Context, r protocol.Request) (protocol.Reply, error) {
	reply, err := s.exchange(ctx, r)
	if err != nil {
		return reply, err
	}
	if len(reply.Orders) > 0 && s.orders != nil {
		s.orders(reply.Orders)
	}
	if reply.Error != "" {
		return reply, errors.New("the host says: " + reply.Error)
	}
	return reply, nil
}

func (s *session) exchange(ctx context.Context, r protocol.Request) (protocol.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.id++
		r.ID, r.Boot, r.Uptime, r.TSC = s.id, s.boot, uptime(), rdtsc()
		reply, err := s.transport.Exchange(r)
		if err == nil {
			return reply, nil
		}
		s.log.consoleOnly("request %d: %v", r.ID, err)
		if !wait(ctx, retryPause) {
			return protocol.Reply{}, ctx.Err()
		}
	}
}
