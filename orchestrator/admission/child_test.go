package admission

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// childEnv makes this test binary play another process: "files" says its limits; "reserve" promises, in the ledger and for
// the run in its arguments, and takes childTakes of that.
const childEnv = "FLEETFALL_TEST_CHILD"

const (
	childBytes = 512 * mega // far more than what the race detector takes besides
	childTakes = 32 * mega
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "files":
		files, err := OpenFiles()
		if err != nil {
			panic(err)
		}
		child, err := exec.Command("sh", "-c", "ulimit -Sn").Output()
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d %s", files, child)
	case "reserve":
		err := Ledger{Dir: os.Args[1]}.Reserve(context.Background(), os.Args[2], promise(childBytes))
		if err != nil {
			panic(err)
		}
		taken := bytes.Repeat([]byte{1}, childTakes)
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it, or has gone
		fmt.Println(taken[0])
	}
}

// otherRun starts another process that promises childBytes and takes childTakes.
func otherRun(t *testing.T, l Ledger, run string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], l.Dir, run)
	cmd.Env = append(os.Environ(), childEnv+"=reserve")
	cmd.Stderr = os.Stderr
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
		_ = cmd.Process.Kill() // by the test already, or not
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other run said %q, %v", line, err)
	}
	return cmd
}
