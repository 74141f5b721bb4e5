// Package daemon is a libvirtd of one run, in its work directory.
package daemon

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// A Daemon is a private libvirtd, in session mode: it needs no rights, sees no domains but ours and ends with us.
type Daemon struct {
	dir     string // the work directory
	cmd     *exec.Cmd
	Process process.ID
	Exited  chan struct{} // closed when it has ended
}

// Dirs are, in a work directory, what a private daemon calls its home, and what else it makes files in.
var Dirs = []string{"c", "c/libvirt", "h", "r"}

// The daemon's settings. QEMU's own output goes straight to a file, so that no log daemon is started. Namespaces and
// cgroups need rights that a session daemon has not, and that a container's root may lack.
const (
	daemonConfFile = "c/libvirt/libvirtd.conf"
	daemonConf     = `max_client_requests = 32
max_workers = 32
log_level = 3
`
	qemuConf = `stdio_handler = "file"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 1
`
)

// Files are what the daemon reads, by their paths in a work directory.
var Files = map[string]string{daemonConfFile: daemonConf, "c/libvirt/qemu.conf": qemuConf}

// LogFile and domainPID are the files, in a work directory, of what QEMU says of itself and of its process number.
func LogFile(domain string) string { return filepath.Join("h/libvirt/qemu/log", domain+".log") }
func PIDFile(domain string) string { return filepath.Join("r/libvirt/qemu/run", domain+".pid") }

// URI is the private daemon's of a work directory.
func URI(dir string) string {
	return "qemu:///session?socket=" + url.QueryEscape(filepath.Join(dir, "r/libvirt/libvirt-sock"))
}

// Start starts a daemon in a work directory as an account, of which the file users says who it is.
func Start(ctx context.Context, dir, users string, a account.Account) (*Daemon, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start libvirtd: %w", err)
	}
	program, err := tool.Find("libvirtd")
	if err != nil {
		return nil, fmt.Errorf("start libvirtd: %w", err)
	}
	output, err := os.Create(filepath.Join(dir, "libvirtd.log"))
	if err != nil {
		return nil, fmt.Errorf("start libvirtd: %w", err)
	}
	defer output.Close() // the child has its own copy
	d := &Daemon{dir: dir, Exited: make(chan struct{})}
	// Not bound to ctx: it must outlive a cancelled run, to take the VMs down.
	d.cmd = a.Command(users,
		program, "--config", filepath.Join(dir, daemonConfFile), "--pid-file", filepath.Join(dir, "r/libvirtd.pid"))
	d.cmd.Dir = dir
	d.cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"HOME=" + filepath.Join(dir, "h"), "TMPDIR=" + filepath.Join(dir, "h"),
		"XDG_CONFIG_HOME=" + filepath.Join(dir, "c"), "XDG_CACHE_HOME=" + filepath.Join(dir, "h"),
		"XDG_DATA_HOME=" + filepath.Join(dir, "h"), "XDG_STATE_HOME=" + filepath.Join(dir, "h"),
		"XDG_RUNTIME_DIR=" + filepath.Join(dir, "r"),
	}
	d.cmd.Stdout, d.cmd.Stderr = output, output
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start libvirtd: %w", err)
	}
	// Not yet waited for, so that the number is its own even if it has ended.
	d.Process, err = process.LookUp(d.cmd.Process.Pid)
	go func() {
		_ = d.cmd.Wait() // how it ended is in its log
		close(d.Exited)
	}()
	if err != nil {
		<-d.Exited
		return nil, fmt.Errorf("start libvirtd: it ended at once: %w\n%s", err, d.LastWords())
	}
	return d, nil
}

// Ended tells whether the daemon has ended.
func (d *Daemon) Ended() bool {
	select {
	case <-d.Exited:
		return true
	default:
		return false
	}
}

// URI is the daemon's.
func (d *Daemon) URI() string { return URI(d.dir) }

// LastWords is the end of the daemon's log.
func (d *Daemon) LastWords() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "libvirtd.log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// Stop ends the daemon and waits for it.
func (d *Daemon) Stop(ctx context.Context) error {
	if err := d.Process.End(ctx, 3*time.Second); err != nil {
		return fmt.Errorf("stop libvirtd: %w", err)
	}
	select {
	case <-d.Exited:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop libvirtd: %w", ctx.Err())
	}
}
