package content

import "fmt"

const (
	// ProcessTemplate is the id of the template whose events are programs about to be executed.
	ProcessTemplate uint16 = 291
	// SensorFields is how many of the process template's fields a sensor supplies: all but the last.
	SensorFields = 20
	// FileTemplate is the id of the template whose events are things done to files. Sensors supply all of its fields.
	FileTemplate uint16 = 292
)

// Rules that every image ships, by the id under which an agent reports them. Each is for one kind of synthetic threat.
const (
	RuleThreatExec   uint32 = 1 // blocks the execution
	RuleThreatMark   uint32 = 2 // detects the execution, which is let run
	RuleThreatShort  uint32 = 3 // detects the execution of a program that ends at once
	RuleThreatScript uint32 = 4 // detects the execution of a script
	RuleThreatMmap   uint32 = 5 // detects a mapping by which a file can be written
	RuleThreatModule uint32 = 6 // detects that a kernel module is loaded
	RuleThreatRename uint32 = 7 // detects that a system file is replaced by another
	RuleThreatDelete uint32 = 8 // detects that a file of the agent's is deleted
	RuleThreatWrite  uint32 = 9 // detects that a file is written to
	// RuleNew is the first id that the baseline leaves free; an update's new rule has it.
	RuleNew uint32 = 100
)

// The names, or how they begin, by which the rules know the synthetic threats.
const (
	ThreatExecPrefix   = "threat-exec"   // image
	ThreatMarkPrefix   = "threat-mark"   // image
	ThreatShortPrefix  = "threat-short"  // image
	ThreatScriptPrefix = "threat-script" // image
	ThreatWritePrefix  = "threat-write"  // file that is written to
	ThreatMmapPrefix   = "threat-mmap"   // file that is mapped
	ThreatSystemFile   = "system.conf"   // file that is replaced
	ThreatDeletePrefix = "agent-state"   // file that is deleted
)

// Operations of the file template's events.
const (
	MmapWrite  = "mmap_write"  // a file is mapped shared and writable
	ModuleLoad = "module_load" // a kernel module is loaded from memory; it has no file
	Rename     = "rename"
	Unlink     = "unlink"
	Write      = "write"
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

// FileFields returns the names of the fields that the file template declares: those of enum ff_file_field.
func FileFields() []string {
	return []string{"operation", "name", "new_name", "pid", "process_name", "uid"}
}

// Baseline is the content that an image ships: it blocks and detects the synthetic threats, and says nothing about the
// field that sensors do not supply.
func Baseline(version uint64) File {
	f := First(version)
	f.Templates = append(f.Templates, Template{ID: FileTemplate, Name: "file", Fields: FileFields()})
	f.Instances = append(f.Instances,
		processRule(RuleThreatMark, Detect, "marked program", "image_name", Criterion{Prefix, ThreatMarkPrefix}),
		processRule(RuleThreatShort, Detect, "short-lived program", "image_name", Criterion{Prefix, ThreatShortPrefix}),
		processRule(RuleThreatScript, Detect, "script", "image_name", Criterion{Prefix, ThreatScriptPrefix}),
		fileRule(RuleThreatWrite, "write to a file", Write, "name", Criterion{Prefix, ThreatWritePrefix}),
		fileRule(RuleThreatMmap, "write through a mapping", MmapWrite, "name", Criterion{Prefix, ThreatMmapPrefix}),
		fileRule(RuleThreatModule, "kernel module", ModuleLoad, "", Criterion{}),
		fileRule(RuleThreatRename, "system file replaced", Rename, "new_name", Criterion{Equals, ThreatSystemFile}),
		fileRule(RuleThreatDelete, "agent's file deleted", Unlink, "name", Criterion{Prefix, ThreatDeletePrefix}),
	)
	return f
}

// First is the oldest content: all that the vendor knew then was the threat to be blocked.
func First(version uint64) File {
	return File{
		Version:   version,
		Templates: []Template{{ID: ProcessTemplate, Name: "process", Fields: Fields()}},
		Instances: []Instance{
			processRule(RuleThreatExec, Block, "synthetic threat", "image_name", Criterion{Prefix, ThreatExecPrefix}),
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
	return Instance{
		ID: id, TemplateID: ProcessTemplate, Action: action, Name: name,
		Criteria: criteria(Fields(), map[string]Criterion{field: c}),
	}
}

// fileRule is an instance of the file template that detects an operation, with one more criterion unless field is empty.
func fileRule(id uint32, name, operation, field string, c Criterion) Instance {
	return Instance{
		ID: id, TemplateID: FileTemplate, Action: Detect, Name: name,
		Criteria: criteria(FileFields(), map[string]Criterion{"operation": {Equals, operation}, field: c}),
	}
}

// criteria puts criteria in the order of the fields, with wildcards for the rest.
func criteria(fields []string, by map[string]Criterion) []Criterion {
	all := make([]Criterion, len(fields))
	for i, field := range fields {
		all[i] = by[field]
	}
	return all
}
