package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/agents/safe/engine"
)

// The table that every agent must agree with, in front of the daemons as they are: each row's event is made to happen. What cannot
// be made so (a name with a zero byte, another host's name) is as this machine has it, and the reference evaluator says what is right.
func TestTable(t *testing.T) {
	daemons(t, func(t *testing.T, program, _ string) {
		d := start(t, program)
		d.programs("program")
		asInTable := 0
		for _, c := range contenttest.Cases() {
			var act func(blocked bool)
			var inputs []string
			switch c.Template {
			case content.ProcessTemplate:
				inputs, act = d.execution(c.Inputs)
			case content.FileTemplate:
				if inputs, act = c.Inputs, d.onFile(c.Inputs); act == nil {
					continue // fanotify does not tell of it
				}
			default:
				continue // no agent makes events of it
			}
			want := contenttest.Evaluate(c.File, c.Template, inputs)
			if reflect.DeepEqual(want, c.Want) {
				asInTable++
			}
			d.ship(c.File)
			d.say("load")
			d.expect(fmt.Sprintf("loaded %d", c.File.Version)) // what was done before is told by then
			act(want.Block)
			for _, m := range want.Matches[:min(len(want.Matches), engine.MaxMatches)] {
				word := "detect" // also of a rule that says inspect: the inspector finds nothing
				if m.Action == content.Block {
					word = "block"
				}
				what := inputs[0]
				if c.Template == content.FileTemplate {
					what = inputs[1]
				}
				d.expect(fmt.Sprintf("detect %d %s * %s", m.ID, word, what))
			}
			if t.Failed() {
				t.Fatalf("in the row %q", c.Name)
			}
		}
		d.ship(content.Baseline(1))
		d.say("load")
		d.expect("loaded 1") // and nothing else was said of the last row
		if all := len(contenttest.Cases()); asInTable < all*3/4 {
			t.Errorf("%d of %d rows were as in the table, want most", asInTable, all)
		}
	})
}

// execution returns the inputs of an execution that comes as near to the given ones as can be, and what has it happen.
func (d *daemon) execution(like []string) (inputs []string, act func(blocked bool)) {
	d.t.Helper()
	const longestName = 255
	name := like[imageName]
	if name == "" || len(name) > longestName || strings.Contains(name, "\x00") {
		name = "other"
	}
	host, err := os.Hostname()
	d.must(err)
	inputs = make([]string, content.SensorFields)
	inputs[imagePath], inputs[imageName], inputs[userID], inputs[hostName] = d.in(name), name, "0", host
	return inputs, func(blocked bool) {
		d.t.Helper()
		d.must(os.Link(d.in("program"), d.in(name)))
		d.run(name, blocked)
		d.must(os.Remove(d.in(name)))
	}
}

// onFile returns what does the same to a file of that name, and nil if these agents are not told of it.
func (d *daemon) onFile(inputs []string) func(bool) {
	name, newName := inputs[1], inputs[2]
	act := map[string]func() error{
		content.Write:  func() error { return writeOnce(d.in(name)) },
		content.Rename: func() error { return os.Rename(d.in(name), d.in(newName)) },
		content.Unlink: func() error { return os.Remove(d.in(name)) },
	}[inputs[0]]
	if act == nil {
		return nil
	}
	return func(bool) {
		d.t.Helper()
		f, err := os.Create(d.in(name)) // of which nothing is told
		d.must(err)
		d.must(f.Close())
		d.must(act())
		_ = os.Remove(d.in(cmp.Or(newName, name))) // unless that was the act
	}
}

// writeOnce writes to a file that is there. It does not cut it off first, which is told as a write too.
func writeOnce(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close())
}
