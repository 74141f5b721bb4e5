package content

import "fmt"

const (
	// ProcessTemplate is the id of the template whose events are programs about to be executed.
	ProcessTemplate uint16 = 291
	// SensorFields is how many of the process template's fields a sensor supplies: all but the last.
	SensorFields = 20
)

// Rules that every image ships, by the id under which an agent reports them.
const (
	RuleThreatExec uint32 = 1 // blocks the synthetic threat
	RuleThreatMark uint32 = 2 // detects the synthetic threat that is let run
	// RuleNew is the first id that the baseline leaves free; an update's new rule has it.
	RuleNew uint32 = 100
)

// The image names, from their beginning, of the synthetic threats.
const (
	ThreatExecPrefix = "threat-exec" // to be blocked
	ThreatMarkPrefix = "threat-mark" // to be detected
)

// Fields returns the names of the fields that the process template declares: those of enum ff_field in
// agents/interpreter/interpreter.h in the same order, and one that no sensor supplies.
func Fields() []string {
	return []string{
		"image_path", "image_name", "image_dir", "image_size", "image_mode", "image_uid", "image_gid",
		"image_inode", "image_device", "image_head", "pid", "ppid", "process_name", "parent_name",
		"uid", "euid", "gid", "egid", "session", "host_name",
		"ipc_endpoint",
	}
}

// Baseline is the content that an image ships: it blocks and detects the synthetic threats, and says nothing about the
// field that sensors do not supply.
func Baseline(version uint64) File {
	return File{
		Version:   version,
		Templates: []Template{{ID: ProcessTemplate, Name: "process", Fields: Fields()}},
		Instances: []Instance{
			processRule(RuleThreatExec, Block, "synthetic threat", "image_name", Criterion{Prefix, ThreatExecPrefix}),
			processRule(RuleThreatMark, Detect, "marked program", "image_name", Criterion{Prefix, ThreatMarkPrefix}),
		},
	}
}

// Update is a harmless update: the baseline and a rule for a program that no guest runs.
func Update(version uint64) File {
	f := Baseline(version)
	name := fmt.Sprintf("new-threat-%d", version)
	f.Instances = append(f.Instances, processRule(RuleNew, Detect, "new threat", "image_name", Criterion{Equals, name}))
	return f
}

// processRule is an instance of the process template with one criterion that is not a wildcard. It has as many
// criteria as the template has fields, whether or not there is a field of that name.
func processRule(id uint32, action Action, name, field string, c Criterion) Instance {
	fields := Fields()
	in := Instance{
		ID:         id,
		TemplateID: ProcessTemplate,
		Action:     action,
		Name:       name,
		Criteria:   make([]Criterion, len(fields)),
	}
	for i := range fields {
		if fields[i] == field {
			in.Criteria[i] = c
		}
	}
	return in
}
