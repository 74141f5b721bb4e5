package fleet

import (
	"fmt"
	"github.com/go-json-experiment/json/v1"

	"github.com/fleetfall/fleetfall/agents/content"
)

// An Action is something done to one host. The set is closed: see ActionKinds.
type Action interface {
	// Target is the host's name.
	Target() string
	// Kind is the action's name in the journal.
	Kind() string
}

// A BootMode says what a host boots into.
type BootMode string

const (
	Normal BootMode = "normal" // with the agent, as in the field
	Safe   BootMode = "safe"   // without the agent and without workload: only what a repair needs
)

// An Order is something a host's guest program is asked to do, delivered with the reply to its next request.
type Order struct {
	// ID is the order's own within its trial, and counts from 1. An order that is told twice is done once; a boot that
	// ends before it was answered has the next boot do it. Journals of before there were IDs have none.
	ID   uint64            `json:"id,omitempty"`
	Kind string            `json:"order"`          // what is to be done, as RemoveContent
	Args map[string]string `json:"args,omitempty"` // what there is to say besides, by the kind's own names
}

// RemoveContent is the kind of order that deletes the agent's newest content from the persistent disk, as the published
// remedies of July 2024 did; the agent then starts from the content its image was shipped with.
const RemoveContent = "remove_content"

type (
	// Boot starts a host that is off, or power-cycles one that is not, into Mode. Outcome: [Booting], then [Hello], or
	// [BootFailed], or [InfraFailed].
	Boot struct {
		Host string   `json:"host"`
		Mode BootMode `json:"mode"`
	}
	// Reset restarts a host at once in the mode it was in, also one that panicked. Outcome: as for Boot.
	Reset struct {
		Host string `json:"host"`
	}
	// PowerOff takes a host's power away. Outcome: [PoweredOff].
	PowerOff struct {
		Host string `json:"host"`
	}
	// Serve makes Content what the host's updater finds at its next poll. Content of a host that was served nothing is
	// what its image holds. Outcome: [Fetched] once the host has all of it. See [Offer]. Journals of before content had
	// a name have neither path, digest nor size.
	Serve struct {
		Host    string `json:"host"`
		Version uint64 `json:"version"`          // the version inside Content; unique to it within a run
		Path    string `json:"path,omitempty"`   // of the file that it becomes, from the root of the host's disk
		Digest  string `json:"digest,omitempty"` // of Content, as content.Digest says it
		Size    int64  `json:"size,omitempty"`   // of Content, in bytes
		Content []byte `json:"-"`                // the file: in no journal, since it follows from what is
	}
	// Tell gives the guest program an order with the reply to its next request. Outcome: [OrderDone].
	Tell struct {
		Host string `json:"host"`
		Order
	}
)

// Offer is the serving of a channel file, without the host.
func Offer(version uint64, file []byte) Serve {
	return Serve{Version: version, Path: content.ChannelPath, Digest: content.Digest(file), Size: int64(len(file)), Content: file}
}

// To is the same for a host.
func (a Serve) To(host string) Serve {
	a.Host = host
	return a
}

func (a Boot) Target() string     { return a.Host }
func (a Reset) Target() string    { return a.Host }
func (a PowerOff) Target() string { return a.Host }
func (a Serve) Target() string    { return a.Host }
func (a Tell) Target() string     { return a.Host }

func (Boot) Kind() string     { return "boot" }
func (Reset) Kind() string    { return "reset" }
func (PowerOff) Kind() string { return "power_off" }
func (Serve) Kind() string    { return "serve" }
func (Tell) Kind() string     { return "tell" }

// ActionKinds lists every kind of action.
func ActionKinds() []string { return []string{"boot", "reset", "power_off", "serve", "tell"} }

// DecodeAction is the inverse of json.Marshal for an action of this kind.
func DecodeAction(kind string, data []byte) (Action, error) {
	switch kind {
	case "boot":
		return decode[Boot](kind, data)
	case "reset":
		return decode[Reset](kind, data)
	case "power_off":
		return decode[PowerOff](kind, data)
	case "serve":
		return decode[Serve](kind, data)
	case "tell":
		return decode[Tell](kind, data)
	}
	return nil, fmt.Errorf("unknown kind of action %q", kind)
}

func decode[T any](kind string, data []byte) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("%s: %w", kind, err)
	}
	return v, nil
}
