package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
)

// An evaluator is agents/interpreter/test/harness/bench.c, which evaluates content over the events of a guest.
type evaluator struct {
	program, key string
}

// The ways to evaluate that it knows.
const (
	byInterpreter = "interpreter"
	byHand        = "byhand" // the rules of content.Baseline as a person writes them down in C
)

// interpreter compares the interpreter, built as for the user agent, with the shipped rules written by hand, and tells how fast
// it is with more rules.
func interpreter(ctx context.Context, scratch string) ([]row, error) {
	e, err := newEvaluator(ctx, scratch)
	if err != nil {
		return nil, err
	}
	shipped, err := writeContent(scratch, "shipped", content.Baseline(10))
	if err != nil {
		return nil, err
	}
	if _, err := e.evaluate(ctx, "compare", shipped, 1); err != nil {
		return nil, fmt.Errorf("the rules written by hand: %w", err)
	}
	const rules = 200
	large, err := writeContent(scratch, "large", mixedRules(rules))
	if err != nil {
		return nil, err
	}
	var interpreted, written, many []float64 // nanoseconds an evaluation
	for range pairs {
		for _, m := range []struct {
			way, file string
			rounds    int
			to        *[]float64
		}{
			{byInterpreter, shipped, 50000, &interpreted},
			{byHand, shipped, 50000, &written},
			{byInterpreter, large, 500, &many},
		} {
			t, err := e.evaluate(ctx, m.way, m.file, m.rounds)
			if err != nil {
				return nil, err
			}
			*m.to = append(*m.to, t)
		}
	}
	var counts []float64 // instructions an evaluation
	for _, m := range [][2]string{{byInterpreter, shipped}, {byHand, shipped}, {byInterpreter, large}} {
		n, err := e.instructions(ctx, m[0], m[1])
		if err != nil {
			return nil, err
		}
		counts = append(counts, n)
	}
	rows := evaluationRows(interpreted, written, counts[0], counts[1])
	return append(rows, row{
		fmt.Sprintf("the same with %d rules of all operators", rules), speed(middle(many), counts[2]), "", none,
	}), nil
}

// newEvaluator builds the program with the flags of the user agent, and its deps.h.
func newEvaluator(ctx context.Context, scratch string) (*evaluator, error) {
	const interpreter, harness = "agents/interpreter", "agents/interpreter/test/harness"
	sources, err := filepath.Glob(interpreter + "/*.c")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(scratch, "evaluator")
	args := []string{"-O2", "-static", "-I", "agents/daemon", "-I", interpreter, "-o", program, harness + "/bench.c", harness + "/byhand.c"}
	if out, err := exec.CommandContext(ctx, "gcc", append(args, sources...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the interpreter: %w\n%s", err, out)
	}
	key, _ := content.TestVendorKey()
	e := &evaluator{program, filepath.Join(scratch, "vendor.key")}
	return e, os.WriteFile(e.key, key, 0o600)
}

func writeContent(dir, name string, f content.File) (path string, err error) {
	body, err := content.Encode(f)
	if err != nil {
		return "", err
	}
	_, key := content.TestVendorKey()
	path = filepath.Join(dir, name+".content")
	return path, os.WriteFile(path, content.Sign(body, key), 0o600)
}

// evaluate returns the CPU time of one evaluation in nanoseconds.
func (e *evaluator) evaluate(ctx context.Context, way, file string, rounds int) (float64, error) {
	n, took, err := answer(exec.CommandContext(ctx, e.program, way, file, e.key, strconv.Itoa(rounds)))
	return float64(took) / float64(n), err
}

// answer runs the program and returns how often it evaluated, and the CPU time of that.
func answer(c *exec.Cmd) (evaluations int, took time.Duration, err error) {
	out, err := c.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return 0, 0, fmt.Errorf("%s: %w", filepath.Base(c.Path), err)
	}
	if _, err := fmt.Sscan(string(out), &evaluations, &took); err != nil || evaluations == 0 {
		return 0, 0, fmt.Errorf("%s: malformed answer %q", filepath.Base(c.Path), out)
	}
	return evaluations, took, nil
}

// collected is what callgrind says in the end: the number of instructions.
var collected = regexp.MustCompile(`Collected : (\d+)`)

// instructions returns how many one evaluation takes: what a run of more rounds has more, so that start and loading are out.
func (e *evaluator) instructions(ctx context.Context, way, file string) (float64, error) {
	const few, many = 10, 110
	var counts, evaluations [2]int
	for i, rounds := range []int{few, many} {
		out := filepath.Join(filepath.Dir(e.program), "callgrind.log")
		n, _, err := answer(exec.CommandContext(ctx, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file="+out,
			e.program, way, file, e.key, strconv.Itoa(rounds)))
		if err != nil {
			return 0, err
		}
		log, err := os.ReadFile(out)
		if err != nil {
			return 0, err
		}
		found := collected.FindSubmatch(log)
		if found == nil {
			return 0, fmt.Errorf("callgrind told no number of instructions:\n%s", log)
		}
		if counts[i], err = strconv.Atoi(string(found[1])); err != nil {
			return 0, err
		}
		evaluations[i] = n
	}
	return float64(counts[1]-counts[0]) / float64(evaluations[1]-evaluations[0]), nil
}

// evaluationRows are the rows of the shipped rules. Times are in nanoseconds, those of the two ways measured in turn; instructions
// are of one evaluation.
func evaluationRows(interpreted, written []float64, instructions, writtenInstructions float64) []row {
	const most = 2.0
	var ratios []float64
	for i := range interpreted {
		ratios = append(ratios, interpreted[i]/written[i])
	}
	return []row{
		{"evaluations by the interpreter, shipped rules, user space", speed(middle(interpreted), instructions), "", none},
		{
			"the same against those rules written by hand in C, CPU time",
			fmt.Sprintf("%.2f x, %.2f to %.2f (by hand: %s)", middle(ratios), slices.Min(ratios), slices.Max(ratios),
				speed(middle(written), writtenInstructions)),
			"at most 2 x", held(middle(ratios) <= most),
		},
		{
			"the same against those rules written by hand in C, instructions",
			fmt.Sprintf("%.2f x", instructions/writtenInstructions), "", none,
		},
	}
}

// speed tells of evaluations that take so many nanoseconds and instructions each.
func speed(nanoseconds, instructions float64) string {
	return fmt.Sprintf("%.1f million a second, %.0f instructions each", 1e3/nanoseconds, instructions)
}

func middle(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }

// mixedRules is content with so many rules about executions: each operator in turn, each on another field, some of two criteria.
func mixedRules(n int) content.File {
	f := content.First(10)
	fields := []string{"image_path", "image_name", "image_dir", "process_name", "parent_name"}
	f.Instances = nil
	for i := range n {
		value := fmt.Sprintf("program-%d", i)
		operators := []content.Criterion{
			{Op: content.Equals, Value: value},
			{Op: content.Prefix, Value: "/opt/" + value},
			{Op: content.Contains, Value: value},
			{Op: content.Glob, Value: "*" + value + "?*"},
			content.AnyOf(content.Criterion{Op: content.Equals, Value: value}, content.Criterion{Op: content.Prefix, Value: "tool-" + value}),
			content.AllOf(content.Criterion{Op: content.Prefix, Value: "/opt"}, content.Criterion{Op: content.Contains, Value: value}),
		}
		in := content.Instance{
			ID: uint32(i + 1), TemplateID: content.ProcessTemplate, Name: value, Criteria: make([]content.Criterion, len(content.Fields())),
		}
		in.Criteria[slices.Index(content.Fields(), fields[i%len(fields)])] = operators[i%len(operators)]
		if i%3 == 0 {
			in.Criteria[slices.Index(content.Fields(), "uid")] = content.Criterion{Op: content.Equals, Value: "0"}
		}
		f.Instances = append(f.Instances, in)
	}
	return f
}
