package vmimages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// testBoot boots the image under emulation with each agent, waits until the guest says that the agent runs and that
// each kind of work and of threats was done, and holds what became of the threats against what the agent can see.
func testBoot(t *testing.T, img Image) {
	capability.Tools(t, "qemu-system-x86_64", "qemu-system-x86")
	for _, tt := range boots() {
		t.Run(tt.architecture+" "+tt.mode, func(t *testing.T) {
			hello, beat, console := boot(t, img, tt.architecture, tt.mode, tt.state, tt.threats)
			if hello == nil || beat == nil {
				t.Fatalf("hello %+v, beat %+v; console:\n%s", hello, beat, console)
			}
			if hello.Kernel != img.KernelRelease || hello.Architecture != tt.architecture || hello.Mode != tt.mode ||
				hello.ContentVersion != img.Lock.ContentVersion {
				t.Errorf("hello %+v", hello)
			}
			if bytes.Contains(console, []byte("insmod")) || bytes.Contains(console, []byte("BUG:")) {
				t.Errorf("console:\n%s", console)
			}
		})
	}
}

// A bootTest is a boot, and what is to come of it.
type bootTest struct {
	architecture, mode, state string
	threats                   map[string]protocol.Threat // by kind; nil where neither work nor threats are done
}

func boots() []bootTest {
	hooks := sight("exec", "mark", "short", "mmap", "module", "rename", "delete")
	fanotify := sight("exec", "mark", "short", "write", "rename", "delete")
	return []bootTest{
		{architecture.None, "normal", protocol.AgentAbsent, sight()},
		{architecture.Kernel, "normal", protocol.AgentRunning, hooks},
		{architecture.User, "normal", protocol.AgentRunning, fanotify},
		{architecture.Hybrid, "normal", protocol.AgentRunning, hooks},
		{architecture.Safe, "normal", protocol.AgentRunning, fanotify},
		{architecture.Ebpf, "normal", protocol.AgentRunning, hooks},
		{architecture.Kernel, "safe", protocol.AgentAbsent, nil},
	}
}

func TestEachArchitectureIsBooted(t *testing.T) {
	for _, name := range architecture.Names() {
		if !slices.ContainsFunc(boots(), func(b bootTest) bool { return b.architecture == name && b.mode == "normal" }) {
			t.Errorf("no test boots the architecture %s", name)
		}
	}
}

// sight returns what becomes of a threat of each kind where these kinds are seen.
func sight(seen ...string) map[string]protocol.Threat {
	of := map[string]protocol.Threat{}
	for _, kind := range []string{"exec", "mark", "short", "script", "write", "mmap", "module", "rename", "delete"} {
		sees := slices.Contains(seen, kind)
		of[kind] = protocol.Threat{What: kind, Reported: sees, Blocked: sees && kind == "exec"}
	}
	return of
}

// boot returns the guest's hello and a beat, nil for what did not come, and what the console showed. The beat is the
// first with the agent in this state by which work and threats of each kind have been done, if threats are wanted. That
// something else became of one than is said there is an error.
func boot(t *testing.T, img Image, architecture, mode, state string, threats map[string]protocol.Threat) (*protocol.Hello, *protocol.Beat, []byte) {
	t.Helper()
	const patience = 5 * time.Minute // far more than a boot takes, also on a machine that does much else
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dir := t.TempDir()
	socket, log := filepath.Join(dir, "s"), filepath.Join(dir, "console")
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmdline := append(img.Cmdline, "fleetfall.architecture="+architecture, "fleetfall.mode="+mode)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-machine", "q35", "-accel", "tcg", "-m", "96", "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", img.Kernel, "-initrd", img.Initrd, "-append", strings.Join(cmdline, " "),
		"-drive", "file="+img.Disk+",format=raw,if=virtio,snapshot=on",
		"-serial", "file:"+log,
		"-device", "virtio-serial-pci", "-chardev", "socket,id=guest,path="+socket,
		"-device", "virtserialport,chardev=guest,name="+protocol.PortName,
	)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // of the snapshot
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		l.Close() // who waits for a connection that will not come
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	hello, beat, err := converse(ctx, l, state, threats)
	if err != nil {
		t.Errorf("talk with the guest: %v; qemu: %s", err, said.Bytes())
	}
	console, _ := os.ReadFile(log)
	return hello, beat, console
}

// converse answers the guest until the beat that boot wants. That any of it fails is an error. Without such a beat it
// returns the last.
func converse(
	ctx context.Context, l net.Listener, state string, threats map[string]protocol.Threat,
) (hello *protocol.Hello, beat *protocol.Beat, err error) {
	conn, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	lines := protocol.NewLineReader(conn, protocol.MaxLine)
	var missing []string // kinds of work and of threats
	for kind := range threats {
		missing = append(missing, "threat "+kind)
	}
	if threats != nil {
		missing = append(missing, "work exec", "work open", "work read", "work build")
	}
	done := func(kind string) {
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == kind })
	}
	for beat == nil || beat.AgentState != state || len(missing) > 0 {
		line, err := lines.Next()
		if errors.Is(err, protocol.ErrTooLong) {
			continue
		}
		if err != nil {
			return hello, beat, fmt.Errorf("until the agent is %s and these are done: %q: %w; the last beat: %+v", state, missing, err, beat)
		}
		request, err := protocol.ParseRequest(line)
		if err != nil {
			return hello, nil, fmt.Errorf("%w: %q", err, line)
		}
		reply := protocol.Reply{ID: request.ID, Boot: request.Boot}
		switch {
		case request.Identify != nil:
			reply.Config = &protocol.Config{
				Hostname: "host-1", Now: 1e18, Entropy: make([]byte, 32),
				Beat: time.Second, Poll: time.Second, Work: time.Second / 4, Threat: time.Second / 10,
			}
		case request.Hello != nil:
			hello = request.Hello
		case request.Beat != nil:
			runs := beat != nil && beat.AgentState == state // since the beat before: a threat may find an agent that still starts
			beat = request.Beat
			for _, l := range beat.Loads {
				done("work " + l.What)
			}
			for _, x := range beat.Threats {
				if !runs {
					break
				}
				x.ID, x.Latency = 0, 0
				if x != threats[x.What] {
					return hello, beat, fmt.Errorf("a threat came to %+v, want %+v", x, threats[x.What])
				}
				done("threat " + x.What)
			}
			if beat.WorkFailed+beat.PollsFailed+beat.Killed > 0 || beat.Available <= 0 {
				return hello, beat, fmt.Errorf("the guest is not well: %+v", *beat)
			}
		}
		answer, err := protocol.AppendLine(nil, reply)
		if err != nil {
			return hello, beat, err
		}
		if _, err := conn.Write(answer); err != nil {
			return hello, beat, err
		}
	}
	return hello, beat, nil
}
