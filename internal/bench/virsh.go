package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

//go:embed virsh.sh
var virshScript []byte

// shellTime is how long the script may take. It waits for a guest that never comes up for as long as it is let.
const shellTime = 30 * time.Minute

// startByShell starts hosts like these with virsh.sh. They are gone afterwards.
func (t *testbed) startByShell(ctx context.Context, hosts []fleet.HostSpec) (_ cost, err error) {
	late := fmt.Errorf("virsh.sh: not all hosts were up within %v", shellTime)
	ctx, cancel := context.WithTimeoutCause(ctx, shellTime, late)
	defer cancel()
	// On a disk, as the overlays of a fleet are, and not below $TMPDIR: the path of a socket is at most 107 bytes.
	dir, err := os.MkdirTemp("/var/tmp", "fleetfall-bench-")
	if err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := t.shellCommand(ctx, dir, hosts)
	if err != nil {
		return cost{}, err
	}
	var complaints bytes.Buffer
	up := make(firstLine, 1)
	c.Stdout, c.Stderr = up, &complaints
	rest, err := c.StdinPipe()
	if err != nil {
		return cost{}, err
	}
	before, err := t.used()
	if err != nil {
		return cost{}, err
	}
	begin := time.Now()
	if err := c.Start(); err != nil {
		return cost{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if ctx.Err() != nil {
			return cost{}, context.Cause(ctx)
		}
		return cost{}, fmt.Errorf("virsh.sh: %w\n%s", err, complaints.Bytes())
	case <-up:
	}
	took := cost{wall: time.Since(begin)}
	after, err := t.used()
	shell, shellErr := cpuTime(c.Process.Pid)
	took.cpu = after.since(before)
	took.cpu.own += shell
	err = errors.Join(err, shellErr, rest.Close())
	if end := <-ended; end != nil {
		err = errors.Join(err, fmt.Errorf("virsh.sh: take the hosts down: %w\n%s", end, complaints.Bytes()))
	}
	return took, err
}

// shellCommand is virsh.sh, as whom the daemon runs as, so that QEMU may use what it makes in dir.
func (t *testbed) shellCommand(ctx context.Context, dir string, hosts []fleet.HostSpec) (*exec.Cmd, error) {
	script := filepath.Join(dir, "virsh.sh")
	if err := os.WriteFile(script, virshScript, 0o644); err != nil {
		return nil, err
	}
	host, facts := hosts[0], t.hypervisor.Facts()
	domain := map[string]string{"tcg": "qemu", "kvm": "kvm"}[facts.Accelerator.Name]
	cmdline := append([]string{}, t.image.Cmdline...)
	cmdline = append(cmdline, "fleetfall.architecture="+host.Architecture, "fleetfall.mode=normal", "oops=panic", "softlockup_panic=1")
	c := exec.CommandContext(ctx, "sh", script,
		facts.URI, domain, t.image.Kernel, t.image.Initrd, strings.Join(cmdline, " "), t.image.Disk,
		strconv.FormatInt(host.MemoryBytes, 10), protocol.PortName, strconv.Itoa(len(hosts)))
	c.Dir = dir
	c.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + dir}
	// A group of its own: the terminal's interrupt is for us, who tell the script, and not a virsh in the middle of a call.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = closeWithin
	info, err := os.Stat(fmt.Sprintf("/proc/%d", t.daemon.PID))
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Getuid() {
		return c, nil
	}
	// virsh asks for the names of its user and its group. The user is known where the daemon is. No list has the group, which
	// lets it come by the daemon's socket, so it is not the first.
	nsenter, err := tool.Find("nsenter")
	if err != nil {
		return nil, err
	}
	c.Args = append([]string{
		nsenter, "--mount", "--target", strconv.Itoa(t.daemon.PID), "--wd=" + dir,
		"setpriv", "--reuid", strconv.Itoa(int(owner.Uid)), "--regid", strconv.Itoa(nogroup),
		"--groups", strconv.Itoa(int(owner.Gid)), "--",
	}, c.Args...)
	c.Path = nsenter
	return c, os.Chown(dir, int(owner.Uid), nogroup)
}

// nogroup is the group of who is in no other, on Debian.
const nogroup = 65534

// A firstLine receives when the first line was written to it.
type firstLine chan struct{}

func (f firstLine) Write(p []byte) (int, error) {
	select {
	case f <- struct{}{}:
	default:
	}
	return len(p), nil
}
