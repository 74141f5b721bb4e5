package vmimages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/internal/tool"
)

const (
	keptOutput  = 256 << 10       // bytes of a tool's output that are kept, from the end
	quotedLines = 15              // of it, in an error
	killWait    = 5 * time.Second // for the output of a killed tool's children to end
)

// debianPackage names the package that brings a tool.
func debianPackage(tool string) string {
	switch tool {
	case "clang", "gcc", "make":
		return tool
	case "ld", "strip":
		return "binutils"
	case "mke2fs", "debugfs", "e2fsck":
		return "e2fsprogs"
	case "apt-get":
		return "apt"
	case "dpkg-deb", "dpkg-query":
		return "dpkg"
	case "go":
		return "golang-go, or https://go.dev/dl"
	}
	return tool
}

// A command is one run of a tool, killed with all its children when the context ends.
type command struct {
	dir  string   // working directory; empty for ours
	env  []string // added to a minimal environment
	args []string // the tool's name and its arguments
}

// run returns the end of the tool's standard output and standard error, mixed.
func (c command) run(ctx context.Context) (string, error) {
	tool := c.args[0]
	path, err := findTool(tool)
	if err != nil {
		return "", err
	}
	var out tail
	cmd := exec.CommandContext(ctx, path, c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(environment(), c.env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	// Its own process group, so that a compiler's children die with it; and it dies with us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killWait
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("%s: %w", tool, context.Cause(ctx))
		}
		return "", &toolError{tool: tool, err: err, output: out.String()}
	}
	return out.String(), nil
}

// A toolError is a tool that ran and failed.
type toolError struct {
	tool   string
	err    error
	output string
}

func (e *toolError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.output), "\n")
	if len(lines) > quotedLines {
		lines = lines[len(lines)-quotedLines:]
	}
	return fmt.Sprintf("%s (Debian package %s): %v; it said:\n  %s", e.tool, debianPackage(e.tool), e.err, strings.Join(lines, "\n  "))
}

func (e *toolError) Unwrap() error { return e.err }

// findTool is tool.Find with an error that says how to get it.
func findTool(name string) (string, error) {
	path, err := tool.Find(name)
	switch {
	case err == nil:
		return path, nil
	case !errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return "", fmt.Errorf("%s is not installed; it comes with the Debian package %s", name, debianPackage(name))
}

// environment is what tools may see of ours: what they need to run, nothing that changes what they make.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "GOCACHE", "GOROOT", "http_proxy", "https_proxy", "no_proxy",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// A tail keeps the last keptOutput bytes written to it.
type tail struct{ buf bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - keptOutput; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string { return t.buf.String() }
