package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
)

const partTries = 4 // for a part that comes broken, before the content is left to a later poll

// fetch asks for content other than what there is, and tells whether some came that the agent is to load.
func (u *updater) fetch(ctx context.Context, have uint64) bool {
	first, err := u.ask(ctx, protocol.Fetch{Have: have})
	came := false
	if err == nil && first != nil {
		came, err = u.receive(ctx, have, first)
	}
	if err != nil {
		u.log.printf("updater: %v", err)
		return false
	}
	if came {
		first.Data = nil
		if u.other = *first; first.Path == content.ChannelPath {
			u.other = protocol.Content{}
		}
	}
	return came
}

// ask makes a request for content; nil when there is nothing but what this machine has.
func (u *updater) ask(ctx context.Context, f protocol.Fetch) (*protocol.Content, error) {
	reply, err := u.session.call(ctx, protocol.Request{Fetch: &f})
	return reply.Content, err
}

// receive puts on the disk what the first part is of, when all of it has come. A part that comes broken is asked for
// again. It tells whether there is something new.
func (u *updater) receive(ctx context.Context, have uint64, first *protocol.Content) (came bool, err error) {
	var file *incoming
	defer func() {
		if file != nil && err != nil {
			err = errors.Join(err, file.drop())
		}
	}()
	at, tries := int64(0), 0
	for part := first; ; {
		broken := part.Check(first, at)
		if broken == nil && at == 0 {
			if u.unwanted(have, part) {
				return false, nil
			}
			if file, err = u.disk.receive(first.Path); err != nil {
				return false, err
			}
		}
		if broken == nil {
			if err := file.add(part.Data); err != nil {
				return false, err
			}
			at, tries = at+int64(len(part.Data)), 0
			if at == first.Size {
				return true, file.put(first.Digest, first.Size)
			}
		} else if tries++; tries == partTries {
			return false, fmt.Errorf("content %d from byte %d on: %w", first.Version, at, broken)
		}
		part, err = u.ask(ctx, protocol.Fetch{Have: have, Digest: first.Digest, Offset: at})
		switch {
		case err != nil:
			return false, err
		case part == nil || part.Digest != first.Digest:
			return false, fmt.Errorf("content %d is not offered any more, with %d of %d bytes of it here",
				first.Version, at, first.Size)
		}
	}
}

// unwanted tells whether content is one that there is, or none at all, by its first part.
func (u *updater) unwanted(have uint64, part *protocol.Content) bool {
	version := part.Version
	if part.Path == content.ChannelPath {
		var err error
		if version, err = content.Version(part.Data); err != nil { // not even a channel file: it never reaches the disk
			u.tally.refusal(protocol.Refusal{Reason: "updater: " + err.Error()})
			return true
		}
	}
	return version == have
}
