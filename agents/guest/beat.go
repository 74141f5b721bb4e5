package main

import (
	"cmp"
	"context"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const defaultBeat = 10 * time.Second // for a configuration without

// beat sends a beat at once, another after the phase, then one every so often, and whenever the tally asks for one, until
// ctx ends.
func beat(ctx context.Context, every, phase time.Duration, s *session, a *agent, v *vitals, t *tally) {
	if every <= 0 {
		every = defaultBeat
	}
	ticker := time.NewTicker(cmp.Or(within(phase, every), every))
	defer ticker.Stop()
	for {
		b, dropped := t.take()
		b.AgentState, b.ContentVersion = a.status()
		v.take(&b)
		if dropped > 0 {
			s.log.printf("%d notes did not fit a beat", dropped)
		}
		if _, err := s.call(ctx, protocol.Request{Beat: &b}); err != nil {
			s.log.consoleOnly("beat: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			ticker.Reset(every)
		case <-t.prompt:
		}
	}
}
