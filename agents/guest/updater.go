package main

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
)

// An updater asks the host for content and gives it to the agent.
type updater struct {
	session *session
	disk    *disk
	agent   *agent
	tally   *tally
	log     *logger
}

// run polls every so often until ctx ends; never if every is 0. The first poll is at this host's place within the
// interval, so that a fleet that booted at once does not poll at once.
func (u *updater) run(ctx context.Context, every time.Duration, entropy []byte) {
	if every <= 0 || !wait(ctx, phase(every, entropy)) {
		return
	}
	u.poll(ctx)
	repeat(ctx, every, func() { u.poll(ctx) })
}

// phase places a host within an interval, evenly over hosts and the same for the same entropy.
func phase(every time.Duration, entropy []byte) time.Duration {
	h := fnv.New64a()
	h.Write(entropy)
	return time.Duration(h.Sum64() % uint64(every))
}

func (u *updater) poll(ctx context.Context) {
	have, err := u.disk.version()
	u.log.check("content on the disk", err) // and ask for some
	reply, err := u.session.call(ctx, protocol.Request{Fetch: &protocol.Fetch{Have: have}})
	if err != nil {
		u.log.printf("updater: %v", err)
		return
	}
	if len(reply.Content) == 0 {
		return
	}
	version, err := content.Version(reply.Content)
	if err != nil { // not even a channel file: it never reaches the disk
		u.tally.refusal(protocol.Refusal{Reason: "updater: " + err.Error()})
		return
	}
	if version == have {
		return
	}
	if err := u.disk.replace(reply.Content); err != nil {
		u.log.printf("updater: %v", err)
		return
	}
	u.agent.load()
}
