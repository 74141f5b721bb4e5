package scenarios

import "time"

// A Plan is a scenario with everything resolved: what will be run, cell by cell. It is plain data: it goes into the
// journal as it is, and everything computed later is computed from there.
type Plan struct {
	Scenario    string    `json:"scenario"`    // name of the scenario block
	Description string    `json:"description"` // as written
	Seed        uint64    `json:"seed"`
	Deadline    Duration  `json:"deadline"` // after the injection; hosts not back by then are censored
	Repeat      int       `json:"repeat"`
	Backend     string    `json:"backend"`         // "libvirt"
	Clock       string    `json:"clock,omitempty"` // what the fleets' time is made of: ClockVirtual or ClockWall; empty leaves it to the machine
	StableFor   Duration  `json:"stable_for"`
	Liveness    Duration  `json:"liveness"`      // no beat for this long: hung
	Latency     Duration  `json:"latency_bound"` // a workload unit slower than this: degraded
	Tempo       Tempo     `json:"tempo"`
	Nodes       []Node    `json:"nodes,omitempty"` // machines that hosts are spread over; none: this machine
	Cells       []Cell    `json:"cells"`
	Expect      []Expect  `json:"expect"`
	Variables   []Setting `json:"variables"` // every variable with the value it had, sorted by name
	Source      string    `json:"source"`    // the file's text
	SourceName  string    `json:"source_name"`
}

// The clocks that a scenario can ask for. An empty [Plan.Clock] asks for none of them.
const (
	ClockVirtual = "virtual" // counts the guests' instructions: does not depend on the machine's speed, and needs emulated CPUs
	ClockWall    = "wall"    // passes as it does for us: contention on the machine stretches times
)

// A Setting is a variable with its value as HCL text.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Node is a machine with a libvirt daemon.
type Node struct {
	Name string `json:"name"`
	URI  string `json:"uri"`
	At   string `json:"at"` // where in the source it stands, "file.hcl:12,1", for what is wrong with it and found later
}

// Tempo is how often guests do what they do.
type Tempo struct {
	Beat   Duration `json:"beat"`
	Poll   Duration `json:"poll"`
	Work   Duration `json:"work"`
	Threat Duration `json:"threat"`
}

// A Cell is one independent experiment: one fleet x update x rollout x recovery.
type Cell struct {
	ID       string   `json:"id"` // unique; "fleet/update/rollout/recovery", names only
	Fleet    Fleet    `json:"fleet"`
	Update   Update   `json:"update"`
	Rollout  string   `json:"rollout"` // name of the rollout block; "everyone" when there is none
	Recovery Recovery `json:"recovery"`
}

// A Fleet is a group of like hosts.
type Fleet struct {
	Name         string   `json:"name"`
	Architecture string   `json:"architecture"`
	Hosts        int      `json:"hosts"`
	Image        string   `json:"image"`
	Memory       Size     `json:"memory"`         // bytes of guest memory, a host
	Oops         string   `json:"oops,omitempty"` // what a host's kernel does about a fault of its own: "panic", or "kill" the task and go on
	Control      bool     `json:"control"`        // gets a harmless update in the place of the scenario's
	Mitigations  []string `json:"mitigations,omitempty"`
	Boot         string   `json:"boot"`                 // "clone": first boots are copies of a template; "cold": every boot is a real one
	Waves        bool     `json:"waves,omitempty"`      // if it does not fit, it is run in parts, one after the other
	CrashDump    bool     `json:"crash_dump,omitempty"` // a host's memory is kept at its first panic, and its kernel's log from there; see README for what that costs on the wall clock
}

// An Update is what the vendor ships.
type Update struct {
	Name  string   `json:"name"`
	At    Duration `json:"at"`    // after the fleet is ready
	Fault string   `json:"fault"` // "none", "field_count", …: a content mutator's name
	// Parameters of the fault, as content.Params takes them; checked with content.Fault.Check. (For field_count:
	// "criterion", e.g. "equals:xyz" or "any".)
	Parameters  map[string]string `json:"parameters,omitempty"`
	RevertAfter Duration          `json:"revert_after"` // after At; 0 for never
	Signed      bool              `json:"signed"`
}

// A Recovery is how hosts that are down come back.
type Recovery struct {
	Name        string       `json:"name"`
	Strategy    string       `json:"strategy"`    // "none" or "safe_mode"
	Technicians int          `json:"technicians"` // who work at the same time
	HandsOn     Distribution `json:"hands_on"`    // a technician's time for one host, besides its boots
	Notice      Duration     `json:"notice"`      // from a host's boot loop to its place in the technicians' queue
	Restart     Duration     `json:"restart"`     // from a panic to the automatic restart
}

// A Distribution is a positive random duration.
type Distribution struct {
	Kind string   `json:"kind"`        // "fixed", "uniform", "exponential", "lognormal", "weibull"
	A    Duration `json:"a"`           // fixed: the value; uniform: the least; exponential: the mean; lognormal: the median; weibull: the scale
	B    Duration `json:"b,omitempty"` // uniform: the most
	P    float64  `json:"p,omitempty"` // lognormal: sigma of the logarithm; weibull: the shape
}

// An Expect is a bound on a metric that the verdict hangs on.
type Expect struct {
	Name   string            `json:"name"`
	Where  map[string]string `json:"where"` // fleet, architecture, update, rollout, recovery: all must match a cell
	Metric string            `json:"metric"`
	Min    *float64          `json:"min,omitempty"`
	Max    *float64          `json:"max,omitempty"`
}

// Duration is a time.Duration that reads and writes as text ("1m30s") in JSON.
type Duration time.Duration

// Size is a number of bytes that reads and writes as a number in JSON.
type Size int64

// String is the duration as text, e.g. "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the duration as text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
