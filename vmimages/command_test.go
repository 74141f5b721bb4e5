package vmimages

import (
	"bufio"
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestCommandErrors(t *testing.T) {
	_, err := command{args: []string{"no-such-tool"}}.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no-such-tool is not installed; it comes with the Debian package") {
		t.Errorf("error %v", err)
	}
	_, err = command{args: []string{"sh", "-c", "seq 1 40; echo broken >&2; exit 3"}}.run(t.Context())
	var failed *toolError
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{"sh (Debian package", "exit status 3", "  40\n  broken"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "  20\n") {
		t.Errorf("error %q quotes more than the last lines", err)
	}
}

func TestCommandKeepsTheEndOfOutput(t *testing.T) {
	out, err := command{args: []string{"sh", "-c", "seq 1 100000; echo end"}}.run(t.Context())
	if err != nil || len(out) > keptOutput || !strings.HasSuffix(out, "\nend\n") {
		t.Errorf("%d bytes, error %v", len(out), err)
	}
}

// The tool's settings come from us alone.
func TestCommandEnvironment(t *testing.T) {
	t.Setenv("CFLAGS", "-O0")
	t.Setenv("GOFLAGS", "-tags=x")
	out, err := command{env: goEnvironment(), args: []string{"env"}}.run(t.Context())
	if err != nil || strings.Contains(out, "CFLAGS=") || !strings.Contains(out, "GOFLAGS=-mod=mod\n") {
		t.Errorf("environment %q, error %v", out, err)
	}
}

// Cancelling kills the tool's children too. They hold the writing end of a pipe open, whose end tells of theirs.
func TestCancelKillsChildren(t *testing.T) {
	dir := t.TempDir()
	fifo := dir + "/alive"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := command{dir: dir, args: []string{"sh", "-c", "(echo up; exec sleep 1000) > alive & wait"}}.run(ctx)
		ended <- err
	}()
	f, err := os.Open(fifo) // blocks until the child has opened its end
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if line, err := r.ReadString('\n'); line != "up\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	cancel(stop)
	if _, err := r.ReadByte(); err == nil {
		t.Error("the child wrote more")
	}
	if err := <-ended; !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
}

// TestToolsKeepTheirTemporaryFiles where the build is, so that nothing of a tool that is killed stays elsewhere.
func TestToolsKeepTheirTemporaryFiles(t *testing.T) {
	c := &compiler{scratch: t.TempDir()}
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	if err := c.run(t.Context(), command{args: []string{"mktemp"}}); err != nil {
		t.Fatal(err)
	}
	if made, err := os.ReadDir(c.temp()); len(made) != 1 || err != nil {
		t.Errorf("in the build there is %v, %v, want the file", made, err)
	}
}
