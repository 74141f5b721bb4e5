package content

import (
	"fmt"
	"strings"
)

// falsePositiveSystem is a rule that takes a program of the system for a threat.
func falsePositiveSystem() Fault {
	return falsePositive(Fault{
		Name:    "false_positive_system",
		Summary: "A rule blocks a program that the machine is there to run.",
		Defect:  "none in the code: no rule is held against a list of programs that must run",
		Effect:  "the machine is up, and its work fails until the rule is gone",
		Outage:  "McAfee DAT 5958, which took svchost.exe for a virus, 21 April 2010",
	}, "work")
}

// falsePositiveUpdater is a rule that takes the agent's own updater for a threat.
func falsePositiveUpdater() Fault {
	return falsePositive(Fault{
		Name:    "false_positive_updater",
		Summary: "A rule blocks the program by which the agent fetches its updates.",
		Defect:  "none in the code: no rule is held against a list of programs that must run",
		Effect:  "the machine works, and never hears of the remedy",
		Outage:  "Sophos Shh/Updater-B, 19 September 2012",
	}, "updater")
}

// falsePositive completes a fault that blocks a program.
func falsePositive(f Fault, program string) Fault {
	return onProgram(f, Block, "new threat", program, "name of the program's file")
}

// fileName checks that a parameter can be the name of a file, without which no program has it and the rule does nothing.
func fileName(value string) error {
	const longest = 255 // bytes, of a file system's names
	if value == "" || len(value) > longest || strings.ContainsAny(value, "/\x00") {
		return fmt.Errorf("%.300q, want the name of a program's file, without its folder: 1 to %d bytes", value, longest)
	}
	return nil
}

// onProgram completes a fault that is one rule with this action on the programs of a name, which is its parameter.
func onProgram(f Fault, action Action, rule, program, summary string) Fault {
	const parameter = "program"
	f.Parameters = []Parameter{{
		Name: parameter, Summary: summary, Default: program, check: fileName,
	}}
	f.body = func(version, _ uint64, p Params) ([]byte, error) {
		content := Baseline(version)
		content.Instances = append(content.Instances, processRule(RuleNew, action, rule, "image_name", Criterion{Equals, p[parameter]}))
		return Encode(content)
	}
	return f
}
