package libvirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A place is where a hypervisor's VMs run: how their QEMUs come by files, and how their console and channel are reached.
// It is this machine (here) or another one, of which only the libvirt daemon is at hand (there).
type place interface {
	// image returns an image with paths that QEMU can open, after shipping it when need be.
	image(ctx context.Context, image vmimages.Image) (vmimages.Image, error)
	// lines says in a domain how its console and channel are to be reached.
	lines(d *domain)
	// console and channel reach them, once the domain is there.
	console(ctx context.Context, d domain, created golibvirt.Domain) (io.ReadCloser, error)
	channel(ctx context.Context, d domain, created golibvirt.Domain) (net.Conn, error)
	// overlay makes a disk of size bytes on top of the file at path base, which is "raw" or "qcow2", and returns its path.
	overlay(ctx context.Context, name, format, base string, size int64) (path string, err error)
	// blank makes a file of size zero bytes that QEMU may write to, and returns its path.
	blank(ctx context.Context, name string, size int64) (path string, err error)
	// write makes a file that the daemon can read, and returns its path.
	write(ctx context.Context, name string, data []byte) (path string, err error)
	// output is the path at which the daemon is to write a file. read returns what is in such a file of at most limit
	// bytes, and fetch copies it.
	output(name string) string
	read(ctx context.Context, name string, limit int64) ([]byte, error)
	fetch(ctx context.Context, name string, to io.Writer, limit int64) error
	// remove removes a file, whoever made it.
	remove(ctx context.Context, name string) error
	// templateName is what the files of a template of this key and domain are called while it is made, without suffixes.
	templateName(key string, d domain) string
	// template and keep look for a template that an earlier run has kept under a key, and keep one for later runs.
	template(ctx context.Context, key string, d domain) (*template, error)
	keep(ctx context.Context, t *template, key string) (where string, err error)
	discard(ctx context.Context, key string) error
	// privateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody.
	privateMemory(domain string) (int64, error)
	// machine describes the machine as it is now.
	machine(ctx context.Context) (admission.Machine, error)
	// close removes what the run has made there.
	close(ctx context.Context) error
}

// here is this machine: files lie in the run's work directory, and lines are unix sockets in it.
type here struct {
	work    *workdir.Dir
	account account.Account // under which QEMU runs
	cache   string          // where templates are kept; "" keeps none

	mu       sync.Mutex
	overlays map[string][]byte // empty disks, by the arguments that qemu-img made them with
}

func (p *here) image(_ context.Context, image vmimages.Image) (vmimages.Image, error) {
	return image, nil
}

func (p *here) lines(d *domain) {
	if d.virtual != nil { // a pipe, which is ours to make
		d.serial = p.work.Ours(d.name + ".tty")
		return
	}
	d.serial, d.guest = p.work.Made(d.name+".tty"), p.work.Made(d.name+".vsp")
}

func (p *here) console(ctx context.Context, d domain, _ golibvirt.Domain) (io.ReadCloser, error) {
	if d.virtual != nil {
		return openPipe(d.serial)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", d.serial)
	if err != nil {
		return nil, fmt.Errorf("connect to console: %w", err)
	}
	return conn, nil
}

func (p *here) channel(ctx context.Context, d domain, _ golibvirt.Domain) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", d.guest)
	if err != nil {
		return nil, fmt.Errorf("connect to channel: %w", err)
	}
	return conn, nil
}

func (p *here) output(name string) string { return p.work.Made(name) }

func (p *here) overlay(ctx context.Context, name, format, base string, size int64) (string, error) {
	path := p.work.Ours(name)
	// -u does not open the base, which another host may be using; the size then has to be given.
	args := []string{"create", "-q", "-f", "qcow2", "-u", "-F", format, "-b", base}
	key := fmt.Sprint(args, size)
	p.mu.Lock()
	empty := p.overlays[key]
	p.mu.Unlock()
	if empty == nil {
		args = append(args, path, fmt.Sprint(size))
		if output, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("qemu-img: %w: %s", err, strings.TrimSpace(string(output)))
		}
		var err error
		if empty, err = readFileOfAtMost(path, maxEmptyDisk); err != nil {
			return "", err
		}
		p.mu.Lock()
		p.overlays[key] = empty
		p.mu.Unlock()
	}
	// Like a disk that was made before: to start qemu-img for each host takes as long as to start its QEMU.
	return p.file(name, func(file *os.File) error { return writeSparse(file, bytes.NewReader(empty)) })
}

// file makes a file that QEMU may use, after fill has filled it, and returns its path.
func (p *here) file(name string, fill func(*os.File) error) (string, error) {
	file, err := p.work.Create(filepath.Join(workdir.OursDir, name))
	if err != nil {
		return "", fmt.Errorf("make %s: %w", p.work.Ours(name), err)
	}
	if err = fill(file); err == nil {
		err = p.account.Use(file)
	}
	return p.work.Ours(name), errors.Join(err, file.Close())
}

// copyDisk makes a file of a host that begins as another does.
func (p *here) copyDisk(name, from string) (string, error) {
	source, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer source.Close()
	return p.file(name, func(file *os.File) error { return writeSparse(file, source) })
}

// maxEmptyDisk is more than the bytes of any overlay in which nothing was written: tables for its size.
const maxEmptyDisk = 8 << 20

// writeSparse writes all that is read, with holes for blocks of zeros.
func writeSparse(to *os.File, from io.Reader) error {
	size, err := io.Copy(&sparseWriter{file: to}, from)
	if err != nil {
		return err
	}
	return to.Truncate(size)
}

func (p *here) blank(_ context.Context, name string, size int64) (string, error) {
	return p.file(name, func(file *os.File) error { return file.Truncate(size) })
}

func (p *here) write(_ context.Context, name string, data []byte) (string, error) {
	return p.file(name, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}

func (p *here) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data bytes.Buffer
	err := p.fetch(ctx, name, &data, limit)
	return data.Bytes(), err
}

func (p *here) fetch(ctx context.Context, name string, to io.Writer, limit int64) error {
	file, err := p.work.OpenMade(filepath.Join(workdir.MadeDir, name), p.account)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := io.Copy(to, io.LimitReader(&cancelReader{ctx, file}, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s has more than %d bytes", file.Name(), limit)
	}
	return err
}

func (p *here) remove(_ context.Context, name string) error { return p.work.RemoveFile(name) }

func (p *here) templateName(_ string, d domain) string { return d.name }

func (p *here) privateMemory(domain string) (int64, error) { return qemu.PrivateMemory(domain) }

func (p *here) machine(context.Context) (admission.Machine, error) {
	m, err := admission.ThisMachine()
	if err != nil {
		return m, err
	}
	m.Disk, err = workdir.RoomAt(p.work.Path)
	return m, err
}

func (p *here) close(context.Context) error { return nil } // the work directory goes as a whole

// onFullDisk adds to a failure that there is no room left where the run works, of which libvirt's own words tell only
// sometimes.
func (h *Hypervisor) onFullDisk(err error) error {
	const room = 1 << 20
	free, lookErr := workdir.RoomAt(h.work.Path)
	if h.remote() || lookErr != nil || free >= room || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w (no space left in %s: %d bytes are free)", err, h.work.Path, free)
}

// pidOf is the process number of a domain's QEMU, from the file that a private daemon keeps it in; 0 when it is not
// known. The file is that of whoever runs as the daemon's account, so the number is one of a process of that account,
// or none.
func (h *Hypervisor) pidOf(domain string) int {
	if h.daemon == nil {
		return 0
	}
	text, err := h.work.ReadMade(daemon.PIDFile(domain), h.account, 32)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !h.account.Runs(pid) {
		return 0
	}
	return pid
}
