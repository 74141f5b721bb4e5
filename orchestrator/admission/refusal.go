package admission

import (
	"fmt"
	"strconv"
	"strings"
)

// A Refusal says which cells of a plan do not fit and why, with the arithmetic, and what can be done.
type Refusal struct {
	problems []problem
}

// A problem is that of one cell, or of cells that ask for the same.
type problem struct {
	cells []string
	need  Need
	lines []string
}

// Why a need is refused.
const (
	tooSmall = "machine too small" // a machine cannot hold one host
	tooLarge = "fleet too large"   // for all machines together
	tooMany  = "too many waves"
)

// Cells are the IDs of the cells that do not fit, in the plan's order.
func (r *Refusal) Cells() []string {
	var all []string
	for _, p := range r.problems {
		all = append(all, p.cells...)
	}
	return all
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("the plan does not fit")
	for _, p := range r.problems {
		fmt.Fprintf(&b, "\ncell %s: %s", strings.Join(p.cells, ", cell "), strings.Join(p.lines, "\n  "))
	}
	return b.String()
}

func (r *Refusal) add(n Need, f *floor, why string) {
	shape := n
	shape.Cell = ""
	for i, p := range r.problems {
		if p.need == shape {
			r.problems[i].cells = append(p.cells, n.Cell)
			return
		}
	}
	p := problem{cells: []string{n.Cell}, need: shape, lines: []string{n.arithmetic()}}
	for i := range f.machines {
		p.lines = append(p.lines, f.arithmetic(i, n)...)
	}
	if f.own < n.Hosts {
		p.lines = append(p.lines, fmt.Sprintf("fleetfall may open %s files, %d a host and %d of its own: fits %s; raise ulimit -n",
			number(f.files), ownFilesHost, ownFiles, hosts(f.own)))
	}
	p.lines = append(p.lines, f.advice(n, why)...)
	r.problems = append(r.problems, p)
}

func (n Need) arithmetic() string {
	from := "assumed"
	if n.Measured {
		from = "measured"
	}
	return fmt.Sprintf("%s x (%s + %s of QEMU's own, %s) = %s",
		hosts(n.Hosts), mib(up(n.Guest)), mib(up(n.Overhead)), from, mib(int64(n.Hosts)*n.each()))
}

// arithmetic is how many of a need's hosts one machine holds, and why.
func (f *floor) arithmetic(i int, n Need) (lines []string) {
	m := f.machines[i]
	if p := f.pool[i]; p != i {
		lines = append(lines, fmt.Sprintf("%s: the same memory as %s", m.title(), f.machines[p].title()))
	} else {
		text := fmt.Sprintf("%s: %s available, less %s kept for the machine", m.title(), mib(down(m.Available)), mib(up(m.Reserved)))
		for _, p := range m.Promised {
			text += fmt.Sprintf(", less %s promised to run %s", mib(up(p.unused())), p.Run)
		}
		lines = append(lines, fmt.Sprintf("%s = %s: fits %s", text, mib(m.free()), hosts(int(max(0, m.free())/n.each()))))
	}
	if f.free[i] < n.Hosts {
		lines = append(lines, fmt.Sprintf("%s: its libvirt daemon may open %s files, %d a host and %d of its own: fits %s; raise ulimit -n there",
			m.title(), number(m.Files), daemonFilesHost, daemonFiles, hosts(f.free[i])))
	}
	if fit := m.disks(n); fit < n.Hosts {
		lines = append(lines, fmt.Sprintf("%s: %s free for disks, less %s kept = %s, %s a host: fits %s; free some where work directories lie",
			m.title(), mib(down(m.Disk)), mib(up(diskReserve)), mib(max(0, down(m.Disk)-up(diskReserve))), mib(up(n.Disk)), hosts(fit)))
	}
	return lines
}

// advice is what can be done.
func (f *floor) advice(n Need, why string) []string {
	if why == tooSmall {
		var lines []string
		for i, m := range f.machines {
			if f.capacity(i, n) > 0 {
				continue
			}
			line := m.title() + " cannot hold one host: give the fleet less memory, or free some there"
			if m.disks(n) < 1 {
				line = m.title() + " cannot hold the disk of one host: free some room there"
			}
			if m.Name != "" {
				line += ", or take the host block out"
			}
			lines = append(lines, line)
		}
		return lines
	}
	fit := len(f.place(n.Hosts, n))
	way := fmt.Sprintf("%s at a time are the most; use fewer hosts or less memory a host", hosts(fit))
	switch {
	case why == tooMany:
		way = fmt.Sprintf("that would be %d waves of at most %s, and %d are the most: use fewer hosts or less memory a host",
			(n.Hosts+fit-1)/fit, hosts(fit), mostWaves)
	case n.Parts > 0:
		way = fmt.Sprintf("the run began with %s at a time and %s fit now: wait until memory is free",
			hosts((n.Hosts+n.Parts-1)/n.Parts), hosts(fit))
	case !n.Waves:
		way += ", set waves = true in the fleet to run it in parts"
	}
	if n.Parts > 0 {
		return []string{way}
	}
	return []string{way + ", or add a host block with another machine"}
}

func (m Machine) title() string {
	switch {
	case m.Name == "":
		return "this machine"
	case m.At == "":
		return fmt.Sprintf("host %q", m.Name)
	}
	return fmt.Sprintf("host %q (%s)", m.Name, m.At)
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return number(int64(n)) + " hosts"
}

func mib(n int64) string { return number(n) + " MiB" }

// number writes n with a comma between thousands.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(text) - 3; i > first; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
