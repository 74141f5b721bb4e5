package guestlink

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const maxLoads = 16 // kinds of work that a beat is believed

// A Conversation is what one VM's guest says and is told, whichever way the words go.
type Conversation struct {
	Service *Service
	Copied  bool // the guest is a copy of a template
	Emit    func(fleet.Happening)
	Hello   func()       // called after the Hello event of each boot
	heard   atomic.Int64 // requests of the current boot so far

	mu      sync.Mutex
	boot    string // ID of the boot that said hello; empty before
	expired string // ID of the boot before, of a guest that restarted itself: what is left of it is not answered
	last    protocol.Request
	unsure  bool // the answer to last may not have come through
	refused bool // the guest was, and that was told
}

// Missed says that the guest may never get the latest answer. It then makes its request again, under another ID, and
// what it told with that was heard already; orders that went with the answer wait for the next.
func (c *Conversation) Missed() {
	c.mu.Lock()
	c.unsure = true
	c.mu.Unlock()
	c.Service.recall()
}

// repeated tells whether a request was made before and is only made again for its answer.
func (c *Conversation) repeated(r protocol.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, unsure := c.last, c.unsure
	c.last, c.unsure = r, false
	last.ID, last.Uptime, last.TSC = r.ID, r.Uptime, r.TSC
	return unsure && reflect.DeepEqual(r, last)
}

// Heard is how many requests of the current boot were heard so far.
func (c *Conversation) Heard() int64 { return c.heard.Load() }

// Booted tells whether the current boot said hello.
func (c *Conversation) Booted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot != ""
}

// Take turns a request into events. It returns the making of its answer, with the event of the answer's being sent if
// there is one; nil where none is due. wrong says what is not as it should be.
func (c *Conversation) Take(r protocol.Request) (answer func() (protocol.Reply, fleet.Happening), wrong string) {
	if r.Hello != nil && r.Hello.Protocol != protocol.Version {
		return c.refuse(r), ""
	}
	c.mu.Lock()
	stale, fresh, known := r.Boot == c.expired, false, r.Boot == c.boot
	if r.Hello != nil && !stale && !known {
		if c.boot != "" {
			c.expired = c.boot
		}
		c.boot, fresh = r.Boot, true
		c.heard.Store(0)
	}
	c.mu.Unlock()
	switch {
	case r.Identify != nil:
		return func() (protocol.Reply, fleet.Happening) {
			reply, _ := c.Service.Answer(r)
			reply.Config.Copied = c.Copied
			return reply, nil
		}, ""
	case stale:
		return nil, ""
	case fresh:
		c.Service.recall()
	case !known:
		return func() (protocol.Reply, fleet.Happening) {
			return protocol.Reply{ID: r.ID, Boot: r.Boot, Error: "say hello first"}, nil
		}, "a request before hello"
	}
	c.heard.Add(1)
	if !c.repeated(r) {
		c.tell(r, fresh)
	}
	return func() (protocol.Reply, fleet.Happening) { return c.Service.Answer(r) }, ""
}

// refuse makes the answer to a guest that speaks another version of the protocol, of which it tells once: nothing that
// such a guest says is to be relied on, and its image is not the subject's doing.
func (c *Conversation) refuse(r protocol.Request) (answer func() (protocol.Reply, fleet.Happening)) {
	why := fmt.Sprintf("the image's guest speaks version %d of the protocol, this fleetfall version %d: "+
		"build the image again with `fleetfall image build %s`", max(1, r.Hello.Protocol), protocol.Version, c.Service.Spec.Image)
	c.mu.Lock()
	again := c.refused
	c.refused = true
	c.mu.Unlock()
	if !again {
		c.Emit(fleet.InfraFailed{Op: "speak with guest", Reason: why})
	}
	return func() (protocol.Reply, fleet.Happening) {
		return protocol.Reply{ID: r.ID, Boot: r.Boot, Error: why}, nil
	}
}

// tell turns a request into events.
func (c *Conversation) tell(r protocol.Request, fresh bool) {
	switch {
	case r.Hello != nil && fresh: // a guest that missed the reply says hello again
		h := r.Hello
		c.Emit(fleet.Hello{
			BootID: Clip(r.Boot, MaxText), Mode: fleet.BootMode(Clip(h.Mode, 16)),
			Architecture: Clip(h.Architecture, 32), ContentVersion: h.ContentVersion,
			AgentState: Clip(h.AgentState, 32), Uptime: r.Uptime, Kernel: Clip(h.Kernel, 128), Protocol: h.Protocol,
		})
		c.Hello()
	case r.Beat != nil:
		// What happened comes before the beat that tells of it: who judges the host by the beat then knows all of it.
		b := r.Beat
		for _, t := range b.Threats {
			c.Emit(fleet.Threat{
				ID: t.ID, What: Clip(t.What, 64), Blocked: t.Blocked, Reported: t.Reported, Latency: t.Latency,
				Inherited: t.Inherited,
			})
		}
		for _, f := range b.Refusals {
			c.Emit(fleet.ContentRefused{Version: f.Version, Reason: Clip(f.Reason, MaxText)})
		}
		for _, x := range b.Exits {
			c.Emit(fleet.AgentExit{Signal: x.Signal, Code: x.Code, Restart: x.Restart})
		}
		c.Emit(fleet.Beat{
			BootID: Clip(r.Boot, MaxText), AgentState: Clip(b.AgentState, 32), ContentVersion: b.ContentVersion,
			WorkUnits: b.WorkUnits, WorkMax: b.WorkMax, WorkTotal: b.WorkTotal, WorkFailed: b.WorkFailed, Uptime: r.Uptime,
			WorkHung: b.WorkHung, Loads: loads(b.Loads), PollsFailed: b.PollsFailed,
			Available: b.Available, Killed: b.Killed, RunDelay: b.RunDelay,
		})
		for _, d := range b.Done {
			if order, open := c.Service.done(d.ID); open { // else made up, or told twice
				c.Emit(fleet.OrderDone{ID: order.ID, Order: order.Kind, Error: Clip(d.Error, MaxText)})
			}
		}
	case r.Log != nil:
		c.Emit(fleet.GuestLog{Text: Clip(r.Log.Text, MaxText)})
	}
}

// loads is what a beat says of each kind of work.
func loads(list []protocol.Load) []fleet.Load {
	var loads []fleet.Load
	for _, l := range list[:min(len(list), maxLoads)] {
		loads = append(loads, fleet.Load{What: Clip(l.What, 16), Units: l.Units, Total: l.Total})
	}
	return loads
}
