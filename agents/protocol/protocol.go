// Package protocol is what a guest and its host say to each other. The guest speaks first, always: one request, one
// reply. A message is one line of JSON, at most [MaxLine] bytes, ended by a newline, over any transport of bytes. The
// guest's line begins with a newline of its own, so that what an earlier boot left unfinished spoils only itself.
//
// Both ends distrust the other: a guest whose kernel is dying may send anything. It imports nothing of ours.
package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// Version is raised when a guest or a host of before would misread what is said now. A guest says its own in Hello.
	// One that says another than the host's is refused: it is as old, or as new, as its image.
	Version = 3
	// MaxLine bounds a request, in bytes: the host reads no further.
	MaxLine = 64 << 10
	// MaxReply bounds a reply, in bytes; it holds a part of content in base64.
	MaxReply = 2 << 20
	// MaxContent bounds what a host can be served, in bytes.
	MaxContent = 64 << 20
	// MaxPart is how many bytes of content a reply has, but the last. A channel file is never larger: it comes in one.
	MaxPart = 1 << 20
	// MaxOrders is how many orders a guest has at a time that it has not answered.
	MaxOrders = 8
	// Patience is how long an act of the guest's may take before it counts as one that hangs: an execution, or
	// something done to a file. Each further stretch of it counts again, so that a beat tells of the hang for as long
	// as it lasts.
	Patience = 10 * time.Second
	// MaxLayout bounds Config.Layout, in pages: 2 MiB.
	MaxLayout = 512
	// PortName is the name of the virtio-serial port that carries the protocol.
	PortName = "org.fleetfall.guest.0"
)

// What a guest's numbers may be at most, none of them less than zero: more than any guest comes to. A request with one
// beyond them is refused whole.
const (
	MaxTime   = 365 * 24 * time.Hour
	MaxCount  = 1 << 30
	MaxBytes  = 1 << 50
	MaxSignal = 127 // as a wait status has room for
	MaxCode   = 255 // likewise
)

// A Request is one message of the guest. Exactly one of the pointers is set.
type Request struct {
	ID     uint64        `json:"id"`        // counts up within a boot
	Boot   string        `json:"boot"`      // the kernel's boot ID, 36 characters; empty in Identify
	Uptime time.Duration `json:"uptime_ns"` // of the guest's kernel when the message was made
	TSC    uint64        `json:"tsc"`       // the time-stamp counter at that moment

	Identify *Identify `json:"identify,omitempty"`
	Hello    *Hello    `json:"hello,omitempty"`
	Beat     *Beat     `json:"beat,omitempty"`
	Fetch    *Fetch    `json:"fetch,omitempty"`
	Log      *Log      `json:"log,omitempty"`
}

// Identify is the first request of a boot: who am I? Up to here a guest has read nothing that is particular to one
// host, its boot ID included, so that a machine which stands still in this question can be copied: each copy gets an
// answer of its own, and is another host.
type Identify struct {
	LogTime time.Duration `json:"log_time_ns"` // a stamp in the kernel's log …
	LogTSC  uint64        `json:"log_tsc"`     // … and the time-stamp counter at that moment; 0 when that is not known
}

// Hello is the second request of a boot.
type Hello struct {
	Protocol       int    `json:"protocol"`        // Version; the first had none
	Mode           string `json:"mode"`            // "normal" or "safe"
	Architecture   string `json:"architecture"`    // of the agent
	ContentVersion uint64 `json:"content_version"` // on the disk
	AgentState     string `json:"agent_state"`
	Kernel         string `json:"kernel"` // release
}

// Agent states, as Hello.AgentState and Beat.AgentState.
const (
	AgentAbsent     = "absent"      // not started in this boot: safe mode, or no agent in this image
	AgentStarting   = "starting"    // not yet ready, or not yet started
	AgentRunning    = "running"     // said that it is ready
	AgentBackingOff = "backing_off" // ended; the supervisor waits before the next start
)

// Beat is a sign of life, and what happened since the last one.
type Beat struct {
	AgentState     string        `json:"agent_state"`
	ContentVersion uint64        `json:"content_version"` // that the agent says it has loaded
	WorkUnits      int           `json:"work_units"`      // units that ended, and stretches of Patience for which one hung
	WorkFailed     int           `json:"work_failed"`     // of those
	WorkTotal      time.Duration `json:"work_total_ns"`
	WorkMax        time.Duration `json:"work_max_ns"`
	WorkHung       int           `json:"work_hung,omitempty"` // of those that failed: stretches of Patience for which a unit hung; it may end later, which is not counted again
	Loads          []Load        `json:"loads,omitempty"`
	PollsFailed    int           `json:"polls_failed,omitempty"` // times that the updater's program could not run, and stretches of Patience for which it or the agent's load hung
	Available      int64         `json:"available_bytes"`        // memory that the kernel could give to a program
	Killed         int           `json:"killed,omitempty"`       // processes, for want of memory
	RunDelay       time.Duration `json:"run_delay_ns"`           // that tasks were ready to run and waited for the CPU, summed over them
	Threats        []Threat      `json:"threats,omitempty"`
	Refusals       []Refusal     `json:"refusals,omitempty"`
	Exits          []Exit        `json:"exits,omitempty"`
	Done           []Done        `json:"done,omitempty"`
}

// Load is one kind of work, over the units of it that succeeded since the last beat.
type Load struct {
	What  string        `json:"what"`
	Units int           `json:"units"`
	Total time.Duration `json:"total_ns"`
}

// Threat is the outcome of one synthetic threat.
type Threat struct {
	ID        uint64        `json:"id"`
	What      string        `json:"what"`
	Blocked   bool          `json:"blocked"`
	Reported  bool          `json:"reported"`
	Latency   time.Duration `json:"latency_ns"`
	Inherited bool          `json:"inherited,omitempty"` // of the template that this machine is a copy of
}

// Refusal is content that the agent would not load.
type Refusal struct {
	Version uint64 `json:"version"`
	Reason  string `json:"reason"`
}

// Exit is one end of an agent process.
type Exit struct {
	Signal  int           `json:"signal"`
	Code    int           `json:"code"`
	Restart time.Duration `json:"restart_in_ns"`
}

// Done answers an order.
type Done struct {
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"` // why it could not be done
}

// Fetch is a poll of the updater: is there content other than Have? With a digest it asks for more of what has that.
type Fetch struct {
	Have   uint64 `json:"have"`             // version
	Digest string `json:"digest,omitempty"` // Content.Digest
	Offset int64  `json:"offset,omitempty"` // in that, of the bytes that are wanted
}

// Log is a line for the run's log.
type Log struct {
	Text string `json:"text"`
}

// A Reply answers the request of the same ID and boot; a guest drops any other.
type Reply struct {
	ID      uint64   `json:"id"`
	Boot    string   `json:"boot"`
	Config  *Config  `json:"config,omitempty"`  // to Identify
	Content *Content `json:"content,omitempty"` // to Fetch; absent when there is none but Fetch.Have
	Orders  []Order  `json:"orders,omitempty"`  // carried out once each, answered by Beat.Done
	Error   string   `json:"error,omitempty"`   // the request was not understood
}

// Order is something that the guest is to do. It does an ID once a boot, however often it is told, and answers each
// time.
type Order struct {
	ID   uint64            `json:"id"`
	Kind string            `json:"kind"`
	Args map[string]string `json:"args,omitempty"`
}

// Config is all that is particular to one host.
type Config struct {
	Hostname string        `json:"hostname"`
	Now      int64         `json:"now_unix_ns"` // the wall-clock time that the guest should show; 0 is its own
	Entropy  []byte        `json:"entropy"`
	Beat     time.Duration `json:"beat_ns"`
	Poll     time.Duration `json:"poll_ns"`
	Work     time.Duration `json:"work_ns"`
	Threat   time.Duration `json:"threat_ns"`
	Start
	Copied bool `json:"copied,omitempty"` // the machine that asked goes on as several: this is one of them
}

// Start is what tells a boot from others that began as it did: each phase is a time below its interval, by which what is
// done in that interval begins late.
type Start struct {
	BeatPhase time.Duration `json:"beat_phase_ns"` // of the second beat: the first comes at once
	PollPhase time.Duration `json:"poll_phase_ns"`
	WorkPhase time.Duration `json:"work_phase_ns"` // of threats too, which fall between units of work
	Layout    int           `json:"layout_pages"`  // of memory that the guest takes first and keeps, so that all else lies elsewhere
}

// Rehearse writes and reads one of each message. What the encoder learns of a type on meeting it, it then knows: a
// guest that does this before it asks who it is spares each of its copies the work.
func Rehearse() error {
	request := Request{
		Identify: &Identify{}, Hello: &Hello{}, Fetch: &Fetch{}, Log: &Log{},
		Beat: &Beat{Loads: []Load{{}}, Threats: []Threat{{}}, Refusals: []Refusal{{}}, Exits: []Exit{{}}, Done: []Done{{}}},
	}
	if _, err := AppendLine(nil, request); err != nil {
		return err
	}
	line, err := AppendLine(nil, Reply{Config: &Config{Entropy: []byte{0}}, Content: &Content{Data: []byte{0}}, Orders: []Order{{Args: map[string]string{"": ""}}}, Error: "none"})
	if err != nil {
		return err
	}
	_, err = ParseReply(line)
	return err
}

// ParseRequest reads one line of a guest, checking every bound that the host relies on.
func ParseRequest(line []byte) (Request, error) {
	var r Request
	if err := json.Unmarshal(line, &r); err != nil {
		return Request{}, fmt.Errorf("not a request: %w", err)
	}
	set := 0
	for _, present := range []bool{r.Identify != nil, r.Hello != nil, r.Beat != nil, r.Fetch != nil, r.Log != nil} {
		if present {
			set++
		}
	}
	switch {
	case set != 1:
		return Request{}, fmt.Errorf("request %d holds %d messages, want one", r.ID, set)
	case r.Identify != nil && r.Boot != "":
		return Request{}, fmt.Errorf("request %d asks who it is and has a boot ID", r.ID)
	case r.Identify == nil && len(r.Boot) != 36:
		return Request{}, fmt.Errorf("request %d has a boot ID of %d characters, want 36", r.ID, len(r.Boot))
	case !within(MaxTime, r.Uptime), r.Identify != nil && !within(MaxTime, r.Identify.LogTime):
		return Request{}, fmt.Errorf("request %d has an impossible uptime", r.ID)
	}
	if r.Hello != nil && !within(MaxCount, r.Hello.Protocol) {
		return Request{}, fmt.Errorf("request %d: a hello with version %d of the protocol", r.ID, r.Hello.Protocol)
	}
	if r.Fetch != nil && !within(MaxContent, r.Fetch.Offset) {
		return Request{}, fmt.Errorf("request %d: a fetch from byte %d on", r.ID, r.Fetch.Offset)
	}
	if r.Beat != nil {
		if err := r.Beat.check(); err != nil {
			return Request{}, fmt.Errorf("request %d: a beat with %w", r.ID, err)
		}
	}
	return r, nil
}

// check tells what no guest could say.
func (b *Beat) check() error {
	if !within(MaxCount, b.WorkUnits, b.PollsFailed, b.Killed) || !within(b.WorkUnits, b.WorkFailed) || !within(b.WorkFailed, b.WorkHung) ||
		!within(MaxTime, b.WorkTotal, b.RunDelay) || !within(b.WorkTotal, b.WorkMax) || !within(MaxBytes, b.Available) {
		return errors.New("impossible counts")
	}
	for _, l := range b.Loads {
		if !within(MaxCount, l.Units) || !within(MaxTime, l.Total) {
			return fmt.Errorf("impossible work of kind %q", l.What)
		}
	}
	for _, x := range b.Threats {
		if !within(MaxTime, x.Latency) {
			return fmt.Errorf("threat %d, reported after %d ns", x.ID, x.Latency)
		}
	}
	for _, x := range b.Exits {
		if !within(MaxSignal, x.Signal) || !within(MaxCode, x.Code) || !within(MaxTime, x.Restart) {
			return fmt.Errorf("an impossible end of the agent: signal %d, code %d, to start again in %d ns", x.Signal, x.Code, x.Restart)
		}
	}
	return nil
}

// within tells whether numbers are from 0 to most.
func within[N int | int64 | time.Duration](most N, numbers ...N) bool {
	for _, n := range numbers {
		if n < 0 || n > most {
			return false
		}
	}
	return true
}

// ParseReply reads one line of the host.
func ParseReply(line []byte) (Reply, error) {
	var r Reply
	if err := json.Unmarshal(line, &r); err != nil {
		return Reply{}, fmt.Errorf("not a reply: %w", err)
	}
	return r, nil
}

// AppendLine appends v as one line of JSON to dst.
func AppendLine(dst []byte, v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	return append(append(dst, line...), '\n'), nil
}
