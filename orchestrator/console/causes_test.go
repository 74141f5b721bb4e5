package console

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestCauses: what single messages say, and those that say almost the same and begin no crash.
func TestCauses(t *testing.T) {
	for text, want := range map[string]string{ // kind, and the function where the message names it
		"":    "",
		"BUG": "",
		"BUG: unable to handle kernel paging request":                               "page_fault",
		"BUG: TASK stack guard page was hit at 00000000a1b2c3d4 (stack is x..y)":    "stack_overflow",
		"BUG: stack guard page was hit at 00000000a1b2c3d4 (stack is x..y)":         "stack_overflow",
		"BUG: the TASK stack guard page was hit at 00000000a1b2c3d4":                "",
		"BUG: TASK_stack guard page was hit at 00000000a1b2c3d4":                    "",
		"INFO: task exec-work:97 blocked for more than 120 seconds.":                "hung_task",
		"INFO: task a:b:97 blocked for more than 120 seconds.":                      "hung_task",
		"INFO: task exec-work:97 blocked in I/O wait for more than 120 seconds.":    "hung_task",
		"INFO: task :97 blocked for more than 120 seconds.":                         "",
		"INFO: task exec-work:9x blocked for more than 120 seconds.":                "",
		"INFO: task exec-work:97 blocked for more than x seconds.":                  "",
		"INFO: task exec-work:97 slept for more than 120 seconds.":                  "",
		"INFO: task  for more than 120 seconds.":                                    "",
		"BUG: KASAN: slab-use-after-free in f+0x1/0x9 [m]":                          "warning m:f",
		"BUG: KASAN:  in f+0x1/0x9 [m]":                                             "warning m:f",
		"BUG: KASAN: null-ptr-deref":                                                "warning",
		"UBSAN: array-index-out-of-bounds in a.c:12:3":                              "warning",
		"UBSAN: array-index-out-of-bounds in a.c":                                   "",
		"WARNING: CPU: 0 PID: 97 at a.c:12 f+0x1/0x9 [m]":                           "warning m:f",
		"WARNING: CPU: 0 PID: 97 at f+0x1/0x9 [m]":                                  "warning m:f",
		"WARNING: CPU: x PID: 97 at a.c:12 f+0x1/0x9 [m]":                           "",
		"WARNING: [n > max] a.c:12 at f+0x1/0x9 [m], CPU#0: demo/97":                "warning m:f",
		"WARNING: a.c:12 at 0xffffffff, CPU#0: demo/97":                             "warning",
		"WARNING: a.c:12 at nowhere, CPU#0: demo/97":                                "",
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [demo:97]":               "soft_lockup",
		"rcu: INFO: rcu_preempt self-detected stall on CPU":                         "rcu_stall",
		"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:":                     "rcu_stall",
		"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... }": "rcu_stall",
		"rcu: INFO: rcu_preempt is fine":                                            "",
		"divide error: 0000 [#1] SMP":                                               "divide_error",
		"Oops: divide_error: 0000 [#12] SMP":                                        "divide_error",
		"Oops: unheard of: 0000 [#1] SMP":                                           "exception",
		"unheard of: 0000 [#1] SMP":                                                 "",
		"Oops: 0002 [#1] SMP":                                                       "exception",
		"0002 [#1] SMP":                                                             "",
		"divide error: 0000 [#x] SMP":                                               "",
		"divide error: xyz [#1] SMP":                                                "",
	} {
		m, is := matchCause(text)
		got := strings.TrimSpace(m.kind + " " + m.where.name())
		if is != (want != "") || is && got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if is && !mayBegin([]byte(text)) {
			t.Errorf("%q begins a crash, and is not looked at", text)
		}
	}
	for _, c := range causes {
		if !mayBegin([]byte(c.begin)) {
			t.Errorf("%q alone is not looked at", c.begin)
		}
	}
}

// A talk is what a kernel prints, a message after the other.
type talk struct {
	Parser
	reports []Report
}

func (c *talk) says(messages ...string) {
	for _, m := range messages {
		c.at("1.000000", m)
	}
}

func (c *talk) at(stamp, message string) {
	c.reports = append(c.reports, c.Write(fmt.Appendf(nil, "[    %s] %s\n", stamp, message))...)
}

// titles are those of the crashes that it has told of, all of it said.
func (c *talk) titles() string {
	c.reports = append(c.reports, c.Flush()...)
	var all []string
	for _, r := range c.reports {
		all = append(all, r.Title)
	}
	return strings.Join(all, "; ")
}

// repeated says a message until a crash is reported, and tells how many times that took.
func (c *talk) repeated(message string) (times int) {
	for len(c.reports) == 0 && times < 2*maxAccount {
		c.says(message)
		times++
	}
	return times
}

const nullDereference = "BUG: kernel NULL pointer dereference, address: 0000000000000008"

// TestAccountsEnd: a crash is over after so many messages of no account, and after so many of any.
func TestAccountsEnd(t *testing.T) {
	var c talk
	c.says(nullDereference)
	if got := c.repeated("eth0: link up"); got != maxUnrelated-1 { // the first one is of no account of another crash either
		t.Errorf("reported after %d messages of no account, want %d", got, maxUnrelated-1)
	}
	c = talk{}
	c.says(nullDereference)
	for range maxUnrelated - 2 {
		c.says("eth0: link up")
	}
	c.says("RIP: 0010:f+0x1/0x9 [m]")
	if got := c.repeated("eth0: link up"); got != maxUnrelated {
		t.Errorf("reported %d messages after the last one of its account, want %d", got, maxUnrelated)
	}
	c = talk{}
	c.says(nullDereference)
	if got := c.repeated(" ? f+0x1/0x9"); got != maxAccount-1 {
		t.Errorf("reported after %d messages of its account, want %d", got, maxAccount-1)
	}
	c = talk{}
	c.says(panicPrefix + " x")
	if got := c.repeated(" ? f+0x1/0x9"); got != maxAccount-1 {
		t.Errorf("a panic is reported after %d messages of its trace, want %d", got, maxAccount-1)
	}
}

// TestWhereAccountsEnd: what a kernel says after the account of a crash tells nothing of it.
func TestWhereAccountsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		says []string
		want string
	}{
		"frames behind the end of a trace": {
			[]string{"INFO: task a:97 blocked for more than 120 seconds.", "Call Trace:", " <TASK>", " schedule+0x1/0x9", " </TASK>", " other+0x1/0x9 [m]"},
			"task hung",
		},
		"frames of the trace": {
			[]string{"INFO: task a:97 blocked for more than 120 seconds.", "Call Trace:", " <TASK>", " schedule+0x1/0x9", " other+0x1/0x9 [m]", " </TASK>"},
			"task hung in m:other",
		},
		"a sanitizer's account, and another crash": {
			[]string{"BUG: KASAN: slab-use-after-free in f+0x1/0x9 [m]", "Call Trace:", "==================", nullDereference, "RIP: 0010:g+0x1/0x9 [m]"},
			"warning in m:f; NULL pointer dereference in m:g",
		},
		"such a line within another crash": {
			[]string{nullDereference, "==================", "general protection fault: 0000 [#1] SMP", "RIP: 0010:g+0x1/0x9 [m]"},
			"NULL pointer dereference in m:g",
		},
		"who called panic()": {
			[]string{panicPrefix + " x", "Call Trace:", " tracer+0x1/0x9", " hook+0x1/0x9", " panic+0x1/0x9", " caller+0x1/0x9", " </TASK>"},
			"kernel panic: x in caller",
		},
		"who called vpanic()": {
			[]string{panicPrefix + " x", "Call Trace:", " tracer+0x1/0x9", " hook+0x1/0x9", " vpanic+0x1/0x9", " panic+0x1/0x9", " caller+0x1/0x9", " </TASK>"},
			"kernel panic: x in caller",
		},
		"a module's own panic()": {
			[]string{panicPrefix + " x", "Call Trace:", " panic+0x1/0x9 [m]", " caller+0x1/0x9", " panic+0x1/0x9", " above+0x1/0x9", " </TASK>"},
			"kernel panic: x in above",
		},
	} {
		var c talk
		c.says(test.says...)
		if got := c.titles(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestAftermath: a panic that ends init comes of the exception right before it, and of none that is longer ago.
func TestAftermath(t *testing.T) {
	for stamp, want := range map[string]int{"11.000000": 1, "11.000001": 2} {
		var c talk
		c.at("1.000000", nullDereference)
		c.at("1.000000", "---[ end trace 0000000000000000 ]---")
		c.at(stamp, panicPrefix+" Attempted to kill init! exitcode=0x00000009")
		if c.titles(); len(c.reports) != want {
			t.Errorf("a panic at %s: %d crashes, want %d: %v", stamp, len(c.reports), want, c.reports)
		}
	}
}

// TestStamps: what is no kernel's stamp begins no message.
func TestStamps(t *testing.T) {
	for line, want := range map[string]bool{
		"[    1.000000] x":         true,
		"[    1.000000][    T1] x": true,
		"[    1.000000][   C12] x": true,
		"[    1.000000][    T] x":  false,
		"[    1.000000][    X1] x": false,
		"[    1.000000][T1 x":      false,
		"[    1.000000]x":          false,
		"[    1.00000] x":          false,
		"[    1] x":                false,
		"[.000000] x":              false,
	} {
		if _, ok := readMessage([]byte(line)); ok != want {
			t.Errorf("%q is a message: %v, want %v", line, ok, want)
		}
	}
}

// TestColours: what terminals are told is taken out, from the first byte to the last.
func TestColours(t *testing.T) {
	for line, want := range map[string]string{
		"a\x1b[0mb":         "ab",
		"a\x1b[1;31mb":      "ab",
		"a\x1b[2 qb":        "ab",
		"a\x1b[@b":          "ab",
		"a\x1b[?25hb":       "ab",
		"a\x1b[\x1b[mb":     "a[mb",
		"a\x1bb":            "a\x1bb",
		"a\x1b[12":          "a",
		"a\x1b":             "a\x1b",
		"[1mno escape[0m ]": "[1mno escape[0m ]",
	} {
		if got := string(withoutColours([]byte(line))); got != want {
			t.Errorf("%q without colours is %q, want %q", line, got, want)
		}
	}
}

// TestLongLines: a line is kept as far as printk's own limit, however it comes, and what is beyond that is missing.
func TestLongLines(t *testing.T) {
	begin := "[    1.000000] " + panicPrefix + " "
	for _, more := range []int{-1, 0, 1, 2000} {
		line := begin + strings.Repeat("x ", maxLine)[:maxLine-len(begin)-1] + "!" + strings.Repeat("y", max(0, more))
		line = line[:maxLine+more]
		for _, pieces := range []int{1, 2, 1000} {
			var p Parser
			var got []Report
			for rest := line + "\n"; rest != ""; {
				n := min(len(rest), (len(line)+pieces)/pieces)
				got = append(got, p.Write([]byte(rest[:n]))...)
				if rest = rest[n:]; len(p.line) > maxLine {
					t.Fatalf("%d bytes are kept of a line", len(p.line))
				}
			}
			got = append(got, p.Flush()...)
			if len(got) != 1 {
				t.Fatalf("%d reports of a line of %d bytes in %d pieces", len(got), len(line), pieces)
			}
			if said := got[0].Title != "kernel panic"; said != (more <= 0) || len(got[0].Excerpt[0]) > maxLine {
				t.Errorf("a line of %d bytes in %d pieces: %q, of which %d bytes are kept", len(line), pieces, got[0].Title, len(got[0].Excerpt[0]))
			}
		}
	}
}

// TestWords: what a guest prints is fit for reports, and a reason is no longer than a title.
func TestWords(t *testing.T) {
	for line, want := range map[string]string{
		"a ~": "a ~", "\x01": "?", "\x7f": "?", "\xff\xfe": "??", "é": "é", "a\tb": "a b", "a\rb": "ab", "a \r": "a",
	} {
		if got := printable(line); got != want {
			t.Errorf("%q is printed as %q, want %q", line, got, want)
		}
	}
	hundred := strings.Repeat("word ", 19) + "words"
	if got := plain(hundred); got != hundred {
		t.Errorf("%d characters are cut to %q", len(hundred), got)
	}
	if got := plain(hundred + "!"); got != hundred+"…" {
		t.Errorf("101 characters are cut to %q", got)
	}
	named := regexp.MustCompile(`^[0-9A-Za-z_.$]$`)
	for c := range 256 {
		if got, want := isNamed(byte(c)), named.MatchString(string(rune(c))); got != want {
			t.Errorf("%q can be of a function's name: %v, want %v", rune(c), got, want)
		}
	}
}

// TestAccountsWithoutEnd: of what a watchdog or a check reports the kernel does not say where it ends. Another cause is
// another crash, and the same one again is more of the same. After an exception it is what came of it.
func TestAccountsWithoutEnd(t *testing.T) {
	for message, title := range map[string]string{
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [demo:97]": "soft lockup in m:f",
		"watchdog: Watchdog detected hard LOCKUP on cpu 1":            "hard lockup in m:f",
		"INFO: task exec-work:97 blocked for more than 120 seconds.":  "task hung in m:f",
		"rcu: INFO: rcu_preempt self-detected stall on CPU":           "RCU stall in m:f",
		"BUG: scheduling while atomic: demo/97/0x00000002":            "warning in m:f",
	} {
		account := []string{"RIP: 0010:f+0x1/0x9 [m]", "Call Trace:", " f+0x1/0x9 [m]", " </TASK>"}
		other := []string{nullDereference, "RIP: 0010:g+0x1/0x9 [m]", "---[ end trace 0000000000000000 ]---"}
		var c talk
		c.says(message)
		c.says(account...)
		c.says(message)
		c.says(account...)
		c.says(other...)
		if got, want := c.titles(), title+"; NULL pointer dereference in m:g"; got != want {
			t.Errorf("%s, and another crash: %q, want %q", message, got, want)
		}
		c = talk{}
		c.says(nullDereference, message)
		c.says(account...)
		if got := c.titles(); !strings.HasPrefix(got, "NULL pointer dereference") || strings.Contains(got, ";") {
			t.Errorf("%s within an exception's account: %q", message, got)
		}
	}
}
