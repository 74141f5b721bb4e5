package fleet

import (
	"fmt"
	"time"
)

// An Event is something that was seen of one host, or a timer.
type Event struct {
	At   time.Duration // since the fleet was made, on its clock; never decreases from one event to the next
	Host string        // empty for TimerFired and for an InfraFailed of the whole fleet
	What Happening
}

func (e Event) String() string {
	return fmt.Sprintf("%8.3fs %s %s %+v", e.At.Seconds(), e.Host, e.What.Kind(), e.What)
}

// A Happening is the payload of an Event. The set is closed: see DecodeHappening.
type Happening interface {
	// Kind is the happening's name in the journal.
	Kind() string
	happening()
}

type (
	// Booting: the backend gave the host power, or restarted it.
	Booting struct {
		Mode   BootMode `json:"mode"`
		Cloned bool     `json:"cloned,omitempty"` // as a copy of a booted template, not from power-on
	}
	// Hello is a guest program's first request after a boot.
	Hello struct {
		BootID         string        `json:"boot_id"`            // of the guest's kernel: another one means that it booted
		Mode           BootMode      `json:"mode"`               // as the guest understood it
		Architecture   string        `json:"architecture"`       // as the guest understood it
		ContentVersion uint64        `json:"content_version"`    // on its disk; 0 for none
		AgentState     string        `json:"agent_state"`        // see Beat.AgentState
		Uptime         time.Duration `json:"uptime_ns"`          // of the guest's kernel
		Kernel         string        `json:"kernel"`             // the guest's kernel release
		Protocol       int           `json:"protocol,omitempty"` // version that the guest program speaks; 0 in journals of before it said so
	}
	// Beat is a sign of life with what the guest saw since the last.
	Beat struct {
		BootID         string        `json:"boot_id"`
		AgentState     string        `json:"agent_state"`     // "running", "backing_off", "absent"; the agent's part of the claim
		ContentVersion uint64        `json:"content_version"` // that the agent says it has loaded
		WorkUnits      int           `json:"work_units"`      // workload units done since the last beat, and stretches of 10 s (protocol.Patience) for which one hung
		WorkMax        time.Duration `json:"work_max_ns"`     // the slowest of them
		WorkTotal      time.Duration `json:"work_total_ns"`   // all of them; mean = WorkTotal / WorkUnits
		WorkFailed     int           `json:"work_failed"`     // units that could not run, e.g. blocked by the agent
		Uptime         time.Duration `json:"uptime_ns"`

		WorkHung    int           `json:"work_hung,omitempty"`       // of those that failed: stretches of 10 s for which a unit hung; it may have ended later
		Loads       []Load        `json:"loads,omitempty"`           // the units that succeeded, by kind
		PollsFailed int           `json:"polls_failed,omitempty"`    // times that the updater's program could not run, and stretches of 10 s for which it or the agent's load hung
		Available   int64         `json:"available_bytes,omitempty"` // memory that the guest's kernel could give to a program
		Killed      int           `json:"killed,omitempty"`          // processes that the guest's kernel killed for want of memory
		RunDelay    time.Duration `json:"run_delay_ns,omitempty"`    // that tasks were ready to run and waited for the CPU, summed over them
	}
	// Load is one kind of work.
	Load struct {
		What  string        `json:"what"` // "exec", "open", "read" or "build"
		Units int           `json:"units"`
		Total time.Duration `json:"total_ns"`
	}
	// Threat is the outcome of one synthetic threat, as the guest program that ran it saw it.
	Threat struct {
		ID        uint64        `json:"id"`                  // counts up within a boot
		What      string        `json:"what"`                // the threat's kind, e.g. "exec"
		Blocked   bool          `json:"blocked"`             // the kernel refused the execution: seen from outside the agent
		Reported  bool          `json:"reported"`            // the agent reported it
		Latency   time.Duration `json:"latency_ns"`          // from the attempt to the report, 0 if not reported
		Inherited bool          `json:"inherited,omitempty"` // it was the template's, of which this host is a copy: it tells of the host's state, and is no sample
	}
	// Fetched: the host's updater took the content that it is served.
	Fetched struct {
		Version uint64 `json:"version"`
	}
	// ContentRefused: the agent would not load content (signature, format), and said why.
	ContentRefused struct {
		Version uint64 `json:"version"` // 0 when it could not be read
		Reason  string `json:"reason"`
	}
	// AgentExit: an agent that runs as a process ended.
	AgentExit struct {
		Signal  int           `json:"signal"` // 0 when it exited by itself
		Code    int           `json:"code"`
		Restart time.Duration `json:"restart_in_ns"` // the supervisor's back-off before the next start
	}
	// OrderDone: the guest carried an order out.
	OrderDone struct {
		ID    uint64 `json:"id,omitempty"`    // the order's; 0 in journals of before there were IDs
		Order string `json:"order"`           // the order's kind
		Error string `json:"error,omitempty"` // why it could not
	}
	// Panic: the host's kernel panicked, by the hypervisor's panic device or by the console.
	Panic struct {
		Source   string `json:"source"`             // "device" or "console"
		Title    string `json:"title"`              // the parsed cause in one line, without addresses
		Type     string `json:"type"`               // "page_fault", "stack_overflow", "hung_task", …, "unknown"; see package console
		Module   string `json:"module,omitempty"`   // of the faulting instruction; empty when in the kernel proper
		Function string `json:"function,omitempty"` // of the faulting instruction
		Offset   string `json:"offset,omitempty"`   // of the faulting instruction within Function, e.g. "0x1b3/0x2a0"
		Excerpt  string `json:"excerpt,omitempty"`  // the lines of the console that it was parsed from

		Caller string `json:"caller,omitempty"` // whose call it was when Function is in the kernel proper, e.g. "agentk:ff_load"
	}
	// Dumped: what has come of keeping the host's memory as it was at its latest panic.
	Dumped struct {
		File  string `json:"file,omitempty"`  // its name, beside the console; empty when there is none
		Error string `json:"error,omitempty"` // why there is none, or why the kernel's log could not be read from it
	}
	// PoweredOff: the host is off: by our action, or by itself.
	PoweredOff struct {
		Reason string `json:"reason"` // "requested", "guest"
	}
	// BootFailed: the guest was started and sent no hello in time.
	BootFailed struct {
		Reason  string `json:"reason"`
		Excerpt string `json:"excerpt,omitempty"` // the console's last lines
	}
	// Garbage: bytes on the guest's channel that are no message; counted, never fatal.
	Garbage struct {
		Bytes  int    `json:"bytes"`
		Reason string `json:"reason"`
	}
	// GuestLog is a line the guest program had to say.
	GuestLog struct {
		Text string `json:"text"`
	}
	// TimerFired answers After.
	TimerFired struct {
		Tag string `json:"tag"`
	}
	// InfraFailed: the testbed failed this host; what it shows is not the subject's doing.
	InfraFailed struct {
		Op     string `json:"op"`
		Reason string `json:"reason"`
	}
)

func (Booting) Kind() string        { return "booting" }
func (Hello) Kind() string          { return "hello" }
func (Beat) Kind() string           { return "beat" }
func (Threat) Kind() string         { return "threat" }
func (Fetched) Kind() string        { return "fetched" }
func (ContentRefused) Kind() string { return "content_refused" }
func (AgentExit) Kind() string      { return "agent_exit" }
func (OrderDone) Kind() string      { return "order_done" }
func (Panic) Kind() string          { return "panic" }
func (Dumped) Kind() string         { return "dumped" }
func (PoweredOff) Kind() string     { return "powered_off" }
func (BootFailed) Kind() string     { return "boot_failed" }
func (Garbage) Kind() string        { return "garbage" }
func (GuestLog) Kind() string       { return "guest_log" }
func (TimerFired) Kind() string     { return "timer" }
func (InfraFailed) Kind() string    { return "infra_failed" }

func (Booting) happening()        {}
func (Hello) happening()          {}
func (Beat) happening()           {}
func (Threat) happening()         {}
func (Fetched) happening()        {}
func (ContentRefused) happening() {}
func (AgentExit) happening()      {}
func (OrderDone) happening()      {}
func (Panic) happening()          {}
func (Dumped) happening()         {}
func (PoweredOff) happening()     {}
func (BootFailed) happening()     {}
func (Garbage) happening()        {}
func (GuestLog) happening()       {}
func (TimerFired) happening()     {}
func (InfraFailed) happening()    {}

// DecodeHappening is the inverse of json.Marshal for a happening of this kind.
func DecodeHappening(kind string, data []byte) (Happening, error) {
	switch kind {
	case "booting":
		return decode[Booting](kind, data)
	case "hello":
		return decode[Hello](kind, data)
	case "beat":
		return decode[Beat](kind, data)
	case "threat":
		return decode[Threat](kind, data)
	case "fetched":
		return decode[Fetched](kind, data)
	case "content_refused":
		return decode[ContentRefused](kind, data)
	case "agent_exit":
		return decode[AgentExit](kind, data)
	case "order_done":
		return decode[OrderDone](kind, data)
	case "panic":
		return decode[Panic](kind, data)
	case "dumped":
		return decode[Dumped](kind, data)
	case "powered_off":
		return decode[PoweredOff](kind, data)
	case "boot_failed":
		return decode[BootFailed](kind, data)
	case "garbage":
		return decode[Garbage](kind, data)
	case "guest_log":
		return decode[GuestLog](kind, data)
	case "timer":
		return decode[TimerFired](kind, data)
	case "infra_failed":
		return decode[InfraFailed](kind, data)
	}
	return nil, fmt.Errorf("unknown kind of event %q", kind)
}
