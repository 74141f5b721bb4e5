package contenttest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A Case is one event evaluated over one file.
type Case struct {
	Name     string
	File     content.File
	Template uint16   // of the event
	Inputs   []string // by field number, at most content.SensorFields of them
	Want     Verdict
}

// Cases returns the table of what content means: every agent, of whatever architecture, must agree with it.
func Cases() []Case {
	cases := slices.Concat(criterionCases(), ruleCases(), baselineCases(), fileCases())
	for i := range cases {
		cases[i].Template = cmp.Or(cases[i].Template, content.ProcessTemplate)
	}
	return cases
}

// criterionCases look at one criterion, on the image's name.
func criterionCases() []Case {
	long := strings.Repeat("a", content.MaxValue)
	var cases []Case
	for _, row := range []struct {
		criterion content.Criterion
		input     string
		match     bool
	}{
		{content.Criterion{}, "", true},
		{content.Criterion{}, "sh", true},

		{equals("sh"), "sh", true},
		{equals("sh"), "s", false},
		{equals("sh"), "", false},
		{equals("sh"), "ssh", false},
		{equals("sh"), "sh ", false},
		{equals("sh"), "SH", false},
		{equals(""), "", true},
		{equals(""), "s", false},
		{equals("a\x00b"), "a\x00b", true},
		{equals("a\x00b"), "a\x00c", false},
		{equals("\xff\x80"), "\xff\x80", true},
		{equals("a*"), "a*", true},
		{equals("a*"), "ab", false},
		{equals(long), long, true},
		{equals(long), long[1:], false},
		{equals(long), long + "a", false},

		{prefix("threat-exec"), "threat-exec", true},
		{prefix("threat-exec"), "threat-exec-17", true},
		{prefix("threat-exec"), "threat-exe", false},
		{prefix("threat-exec"), "xthreat-exec", false},
		{prefix("threat-exec"), "", false},
		{prefix(""), "", true},
		{prefix(""), "anything", true},
		{prefix(long), long + "b", true},
		{prefix(long), long[1:] + "b", false},

		{contains("urn"), "urn", true},
		{contains("urn"), "a burning house", true},
		{contains("urn"), "saturn", true},
		{contains("urn"), "ur", false},
		{contains("urn"), "u r n", false},
		{contains("urn"), "", false},
		{contains("aab"), "aaab", true},
		{contains("abab"), "aababab", true},
		{contains("abab"), "abaabaaba", false},
		{contains(""), "", true},
		{contains(""), "anything", true},
		{contains("\x00"), "a\x00", true},

		{glob("sh"), "sh", true},
		{glob("sh"), "shh", false},
		{glob("sh"), "s", false},
		{glob(""), "", true},
		{glob(""), "a", false},
		{glob("*"), "", true},
		{glob("*"), "anything", true},
		{glob("**"), "", true},
		{glob("?"), "", false},
		{glob("?"), "a", true},
		{glob("?"), "?", true},
		{glob("?"), "ab", false},
		{glob("??*"), "a", false},
		{glob("??*"), "ab", true},
		{glob("*.exe"), "a.exe", true},
		{glob("*.exe"), ".exe", true},
		{glob("*.exe"), "a.exe.txt", false},
		{glob("*.exe"), "a.exe.exe", true},
		{glob("a*b*c"), "abc", true},
		{glob("a*b*c"), "a-bb-c-c", true},
		{glob("a*b*c"), "acb", false},
		{glob("a*?c"), "ac", false},
		{glob("a*?c"), "abbc", true},
		{glob("*a*"), "bbb", false},
		{glob("a\\*"), "a*", false}, // no escapes
		{glob("a\\*"), "a\\b", true},
		{glob("[ab]"), "a", false}, // no classes
		{glob("a*a*a*b"), strings.Repeat("a", 100), false},
		{glob("\x00?"), "\x00\xff", true},

		{content.AnyOf(equals("a"), equals("b")), "b", true},
		{content.AnyOf(equals("a"), equals("b")), "c", false},
		{content.AllOf(prefix("a"), contains("b")), "acb", true},
		{content.AllOf(prefix("a"), contains("b")), "bca", false},
		{content.AnyOf(content.Criterion{}), "anything", true},
		{content.AllOf(content.AnyOf(equals("a"), glob("*b")), content.AnyOf(prefix("x"), prefix("y"))), "yb", true},
		{content.AllOf(content.AnyOf(equals("a"), glob("*b")), content.AnyOf(prefix("x"), prefix("y"))), "a", false},
		{nested(content.MaxDepth, equals("deep")), "deep", true},
		{nested(content.MaxDepth, equals("deep")), "deeper", false},
	} {
		c := Case{
			Name:   fmt.Sprintf("%.20s on %.20q", row.criterion, row.input),
			File:   processFile(rule(7, content.Block, map[string]content.Criterion{"image_name": row.criterion})),
			Inputs: inputs(map[string]string{"image_name": row.input}),
		}
		if row.match {
			c.Want = Verdict{Block: true, Matches: []Match{{7, content.Block}}}
		}
		cases = append(cases, c)
	}
	return cases
}

// ruleCases look at how criteria and instances combine.
func ruleCases() []Case {
	shell := map[string]content.Criterion{"image_name": equals("sh"), "uid": equals("0")}
	var many []content.Instance
	var manyMatches []Match
	for id := range uint32(12) {
		action := content.Detect
		if id == 11 {
			action = content.Block
		}
		many = append(many, rule(id, action, nil))
		manyMatches = append(manyMatches, Match{id, action})
	}
	wide := content.Template{ID: 5, Name: "wide"}
	for i := range content.MaxFields {
		wide.Fields = append(wide.Fields, fmt.Sprintf("f%d", i))
	}
	narrow := content.Template{ID: 6, Name: "narrow", Fields: []string{"path"}}
	two := content.File{
		Version:   1,
		Templates: []content.Template{wide, narrow},
		Instances: []content.Instance{
			{ID: 1, TemplateID: 6, Action: content.Detect, Name: "path", Criteria: []content.Criterion{prefix("/tmp/")}},
			{ID: 2, TemplateID: 5, Action: content.Detect, Name: "wide", Criteria: make([]content.Criterion, content.MaxFields)},
			{ID: 3, TemplateID: 6, Action: content.Block, Name: "other", Criteria: []content.Criterion{prefix("/usr/")}},
		},
	}
	return []Case{
		{
			Name:   "no templates and no instances",
			File:   content.File{Version: 1},
			Inputs: inputs(nil),
		}, {
			Name:   "all criteria match",
			File:   processFile(rule(1, content.Block, shell)),
			Inputs: inputs(map[string]string{"image_name": "sh", "uid": "0"}),
			Want:   Verdict{Block: true, Matches: []Match{{1, content.Block}}},
		}, {
			Name:   "the first of two criteria fails",
			File:   processFile(rule(1, content.Block, shell)),
			Inputs: inputs(map[string]string{"image_name": "bash", "uid": "0"}),
		}, {
			Name:   "the second of two criteria fails",
			File:   processFile(rule(1, content.Block, shell)),
			Inputs: inputs(map[string]string{"image_name": "sh", "uid": "1000"}),
		}, {
			Name:   "detect does not block",
			File:   processFile(rule(4_000_000_000, content.Detect, shell)),
			Inputs: inputs(map[string]string{"image_name": "sh", "uid": "0"}),
			Want:   Verdict{Matches: []Match{{4_000_000_000, content.Detect}}},
		}, {
			Name: "detect before block, in the order of the file and not of the ids",
			File: processFile(
				rule(9, content.Detect, shell), rule(3, content.Block, shell),
				rule(5, content.Block, map[string]content.Criterion{"pid": equals("1")})),
			Inputs: inputs(map[string]string{"image_name": "sh", "uid": "0"}),
			Want:   Verdict{Block: true, Matches: []Match{{9, content.Detect}, {3, content.Block}}},
		}, {
			Name:   "more matches than a verdict lists, the last of which blocks",
			File:   processFile(many...),
			Inputs: inputs(nil),
			Want:   Verdict{Block: true, Matches: manyMatches},
		}, {
			Name:   "the last field that sensors supply",
			File:   processFile(rule(1, content.Block, map[string]content.Criterion{"host_name": equals("h1")})),
			Inputs: inputs(map[string]string{"host_name": "h1"}),
			Want:   Verdict{Block: true, Matches: []Match{{1, content.Block}}},
		}, {
			Name: "a mismatch ends an instance before the field that no sensor supplies",
			File: processFile(rule(1, content.Block, map[string]content.Criterion{
				"host_name": equals("h1"), "ipc_endpoint": equals("x"),
			})),
			Inputs: inputs(map[string]string{"host_name": "h2"}),
		}, {
			Name:     "an event of one of two templates",
			File:     two,
			Template: 6,
			Inputs:   inputs(map[string]string{"image_path": "/tmp/x"}),
			Want:     Verdict{Matches: []Match{{1, content.Detect}}},
		}, {
			Name:     "an event of the other, which is wider than what sensors supply",
			File:     two,
			Template: 5,
			Inputs:   inputs(map[string]string{"image_path": "/usr/x"}),
			Want:     Verdict{Matches: []Match{{2, content.Detect}}},
		}, {
			Name:   "an event of a template that the file does not hold",
			File:   two,
			Inputs: inputs(map[string]string{"image_path": "/tmp/x"}),
		}, {
			Name:   "inspect",
			File:   processFile(rule(1, content.Inspect, shell)),
			Inputs: inputs(map[string]string{"image_name": "sh", "uid": "0"}),
			Want:   Verdict{Inspect: true, Matches: []Match{{1, content.Inspect}}},
		},
	}
}

// baselineCases look at the content that is shipped.
func baselineCases() []Case {
	var cases []Case
	for _, row := range []struct {
		image string
		want  Verdict
	}{
		{content.ThreatExecPrefix + "-1", Verdict{Block: true, Matches: []Match{{content.RuleThreatExec, content.Block}}}},
		{content.ThreatMarkPrefix + "-1", Verdict{Matches: []Match{{content.RuleThreatMark, content.Detect}}}},
		{content.ThreatShortPrefix + "-1", Verdict{Matches: []Match{{content.RuleThreatShort, content.Detect}}}},
		{content.ThreatScriptPrefix + "-1", Verdict{Matches: []Match{{content.RuleThreatScript, content.Detect}}}},
		{"work", Verdict{}},
	} {
		in := inputs(map[string]string{"image_name": row.image})
		cases = append(cases,
			Case{Name: "baseline on " + row.image, File: content.Baseline(1), Inputs: in, Want: row.want},
			Case{Name: "update on " + row.image, File: content.Update(2), Inputs: in, Want: row.want})
	}
	return cases
}

// fileCases look at what the shipped content says of files.
func fileCases() []Case {
	var cases []Case
	for _, row := range []struct {
		operation, name, newName string
		rule                     uint32 // 0 for none
	}{
		{content.MmapWrite, content.ThreatMmapPrefix + "-1", "", content.RuleThreatMmap},
		{content.MmapWrite, "notes.txt", "", 0},
		{content.Write, content.ThreatWritePrefix + "-1", "", content.RuleThreatWrite},
		{content.Write, content.ThreatMmapPrefix + "-1", "", 0},
		{content.ModuleLoad, "", "", content.RuleThreatModule},
		{content.Rename, "new", content.ThreatSystemFile, content.RuleThreatRename},
		{content.Rename, content.ThreatSystemFile, "old", 0},
		{content.Unlink, content.ThreatDeletePrefix + "-1", "", content.RuleThreatDelete},
		{content.Rename, content.ThreatDeletePrefix + "-1", "x", 0},
	} {
		c := Case{
			Name: fmt.Sprintf("baseline on %s of %q to %q", row.operation, row.name, row.newName),
			File: content.Baseline(1), Template: content.FileTemplate,
			Inputs: []string{row.operation, row.name, row.newName, "17", "sh", "0"},
		}
		if row.rule != 0 {
			c.Want = Verdict{Matches: []Match{{row.rule, content.Detect}}}
		}
		cases = append(cases, c)
	}
	return cases
}

// nested puts a criterion into groups of one, depth deep.
func nested(depth int, c content.Criterion) content.Criterion {
	for range depth {
		c = content.AnyOf(c)
	}
	return c
}

func equals(v string) content.Criterion   { return content.Criterion{Op: content.Equals, Value: v} }
func prefix(v string) content.Criterion   { return content.Criterion{Op: content.Prefix, Value: v} }
func contains(v string) content.Criterion { return content.Criterion{Op: content.Contains, Value: v} }
func glob(v string) content.Criterion     { return content.Criterion{Op: content.Glob, Value: v} }

// processFile is a file with the process template and these instances of it.
func processFile(instances ...content.Instance) content.File {
	f := content.Baseline(1)
	f.Instances = instances
	return f
}

// rule is an instance of the process template with these criteria, by field name, and wildcards for the rest.
func rule(id uint32, action content.Action, criteria map[string]content.Criterion) content.Instance {
	in := content.Instance{ID: id, TemplateID: content.ProcessTemplate, Action: action, Name: "rule"}
	for _, field := range content.Fields() {
		in.Criteria = append(in.Criteria, criteria[field])
	}
	return in
}

// inputs is what a sensor supplies with these fields, by name, and the rest empty.
func inputs(values map[string]string) []string {
	var all []string
	for _, field := range content.Fields()[:content.SensorFields] {
		all = append(all, values[field])
	}
	return all
}
