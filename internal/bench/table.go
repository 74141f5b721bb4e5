package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A row is one thing that was measured, with what is promised of it.
type row struct {
	name     string
	measured string
	bound    string // what is promised; empty when nothing is
	mark     mark
}

// A mark says what became of a promise.
type mark string

const (
	kept    mark = "kept"
	broken  mark = "BROKEN"
	skipped mark = "skipped" // this machine cannot measure it
	none    mark = ""        // nothing is promised
)

// held is the mark of a promise that was measured.
func held(ok bool) mark {
	if ok {
		return kept
	}
	return broken
}

// A table is all that was measured in one run of this program.
type table struct {
	machine string // that it was measured on, and by which command
	rows    []row
}

// writeText writes the table for a terminal.
func (t table) writeText(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tMEASURED\tPROMISED\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", oneLine(r.name), oneLine(r.measured), oneLine(r.bound), r.mark)
	}
	return w.Flush()
}

// markdown is the table as make readme puts it into the README.
func (t table) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s:\n\n| what | measured | promised |  |\n| --- | --- | --- | --- |\n", t.machine)
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(r.name), cell(r.measured), cell(r.bound), r.mark)
	}
	return b.Bytes()
}

// oneLine is text that keeps to its row: what does not fit is told in several lines.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// cell is text that keeps to its cell of a Markdown table.
func cell(text string) string { return strings.ReplaceAll(oneLine(text), "|", `\|`) }
