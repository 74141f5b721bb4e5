package content

import "strings"

// globBacktracking is a pattern that takes longer than anybody waits.
func globBacktracking() Fault {
	const stars, end = "stars", "no such end"
	return Fault{
		Name:    "glob_backtracking",
		Summary: "A pattern of many wildcards whose literal end is nowhere in the first 64 bytes of a program.",
		Defect:  "the matcher tries every way to share the bytes out among the wildcards",
		Effect:  "matches for minutes, for each program that is executed; each wildcard more makes it some six times as long",
		Outage:  "Cloudflare's firewall, a regular expression that backtracked, 2 July 2019",
		Parameters: []Parameter{{
			Name: stars, Summary: "wildcards in the pattern", Default: "8", check: wholeNumber(1, (MaxValue-len(end))/2),
		}},
		body: func(version, _ uint64, p Params) ([]byte, error) {
			f := Baseline(version)
			c := Criterion{Glob, strings.Repeat("*?", p.number(stars)) + end}
			f.Instances = append(f.Instances, processRule(RuleNew, Detect, "new threat", "image_head", c))
			return Encode(f)
		},
	}
}
