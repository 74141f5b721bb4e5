package scenarios

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// An expectation is an expect block before it is known which cells there are.
type expectation struct {
	value Expect
	where selector
	from  *section
}

func (s *section) expectation(taken map[string]hcl.Range) expectation {
	if problem := textProblem(s.name); problem != "" || strings.TrimSpace(s.name) == "" {
		if problem == "" {
			problem = "is empty; say in a few words what is expected"
		}
		s.l.errorf(s.label, "Unsuitable text", "The text of an expectation %s.", problem)
	}
	s.checkUnique(taken)
	e := Expect{Name: s.name, Metric: s.choice("metric", "", "metrics", metricNames())}
	metric, err := FindMetric(e.Metric)
	e.Min, e.Max = s.bound("min", metric), s.bound("max", metric)
	switch {
	case !s.given("min") && !s.given("max"):
		s.l.errorf(s.def, "Expectation without a bound", "Give min, max or both: without one nothing can miss it. One that is null is none.")
	case err == nil && e.Min != nil && e.Max != nil && *e.Min > *e.Max:
		s.fail("max", "Impossible bounds",
			"No value is at least %g, as min at %s asks, and at most %g: exchange them.", *e.Min, s.at("min"), *e.Max)
	}
	where := s.selectors("where")
	out := expectation{value: e, from: s, where: selector{at: s.at("where")}}
	if len(where) == 1 {
		out.where = where[0]
	}
	out.value.Where = out.where.terms()
	return out
}

// bound reads a metric's bound in the metric's unit; a metric in seconds takes a duration too, one in bytes a size.
func (s *section) bound(name string, m Metric) *float64 {
	v, ok := s.value(name)
	if !ok || m.Name == "" {
		return nil
	}
	if m.Unit == Seconds && v.Type() == cty.String {
		d, ok := s.parsedDuration(name, v)
		seconds := d.Seconds()
		if !ok {
			return nil
		}
		return &seconds
	}
	if m.Unit == Bytes && v.Type() == cty.String {
		n, err := parseSize(v.AsString())
		if err != nil {
			s.fail(name, "Invalid size", "%q: %v.", name, err)
			return nil
		}
		bytes := float64(n)
		return &bytes
	}
	v, ok = s.typed(name, cty.Number, map[Unit]string{
		Share: "a share between 0 and 1", Ratio: "a number, such as 0.1 for 10 %",
		Seconds: `a number of seconds or a duration such as "10m"`, Count: "a number",
		Bytes: `a number of bytes or a size such as "8MiB"`,
	}[m.Unit])
	if !ok {
		return nil
	}
	b, _ := v.AsBigFloat().Float64()
	least, most := 0.0, maxMetric
	unit := fmt.Sprintf("between 0 and %g", most)
	switch m.Unit {
	case Share:
		most, unit = 1, "a share between 0 and 1"
	case Ratio:
		least, unit = -1, fmt.Sprintf("between -1 and %g", most)
	}
	if !(b >= least && b <= most) {
		mend := ""
		if m.Unit == Share && b > 1 && b <= 100 {
			mend = fmt.Sprintf(" For %g %% write %g.", b, b/100)
		}
		s.fail(name, "Bound out of range", "%s is %s, so %q cannot be %g.%s", m.Name, unit, name, b, mend)
		return nil
	}
	return &b
}
