package process

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 2 3"
	for name, test := range map[string]struct {
		text  string
		start uint64
		ok    bool
	}{
		"plain":              {"12 (qemu)" + rest, 4242, true},
		"spaces and parens":  {"12 (a) S 1 (b))" + rest, 4242, true},
		"cut":                {"12 (qemu) S 1 2", 0, false},
		"no name":            {"12", 0, false},
		"empty":              {"", 0, false},
		"start is no number": {"12 (q)" + strings.Replace(rest, "4242", "x", 1), 0, false},
	} {
		start, state, err := parseStat([]byte(test.text))
		if (err == nil) != test.ok || test.ok && (start != test.start || state != "S") {
			t.Errorf("%s: %d, %q, %v", name, start, state, err)
		}
	}
}

// childEnv makes this test binary play a process that waits, heeding SIGTERM or not.
const childEnv = "FLEETFALL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it, or has gone
}

// child starts a process that waits. Its command line has the words given.
func child(t *testing.T, how string, words ...string) (*exec.Cmd, ID) {
	t.Helper()
	cmd := exec.Command(os.Args[0], words...)
	cmd.Env = append(os.Environ(), childEnv+"="+how)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended by the test already, or not
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the child said %q, %v", line, err)
	}
	id, err := LookUp(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, id
}

func TestAlive(t *testing.T) {
	cmd, id := child(t, "mild")
	if !id.Alive() {
		t.Error("a running process is not alive")
	}
	if (ID{PID: id.PID, Start: id.Start + 1}).Alive() {
		t.Error("another process that had the number is alive")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if id.Alive() {
		t.Error("a killed process is alive")
	}
	if _, err := LookUp(id.PID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a number that nobody has: %v", err)
	}
}

func TestEnd(t *testing.T) {
	for how, grace := range map[string]time.Duration{"mild": time.Minute, "stubborn": 50 * time.Millisecond} {
		cmd, id := child(t, how)
		// Another that had the number is gone, and this one must not be hurt for it.
		if err := (ID{PID: id.PID, Start: id.Start + 1}).End(t.Context(), time.Second); err != nil || !id.Alive() {
			t.Errorf("%s: it was taken for another: %v", how, err)
		}
		if err := id.End(t.Context(), grace); err != nil || id.Alive() {
			t.Errorf("%s: %v, alive %v", how, err, id.Alive())
		}
		_ = cmd.Wait() // says how it ended
		state, want := cmd.ProcessState.Sys().(syscall.WaitStatus), syscall.SIGTERM
		if how == "stubborn" {
			want = syscall.SIGKILL
		}
		if state.Signal() != want {
			t.Errorf("%s ended by %v, want %v", how, state.Signal(), want)
		}
	}
}

func TestFind(t *testing.T) {
	word := "find-me-" + strconv.Itoa(os.Getpid())
	_, id := child(t, "mild", word, "two words", "")
	found, err := Find(func(args []string) bool { return len(args) > 1 && args[1] == word })
	if err != nil || len(found) != 1 || found[0].ID != id || strings.Join(found[0].Args[1:], "|") != word+"|two words|" {
		t.Errorf("found %+v, %v, want process %+v", found, err, id)
	}
	if found, err := Find(func([]string) bool { return false }); err != nil || len(found) > 0 {
		t.Errorf("found %+v, %v", found, err)
	}
}
