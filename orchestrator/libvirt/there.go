package libvirt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/vmimages"
)

// there is another machine, of which only the libvirt daemon is at hand: files lie in the daemon's store, and lines are its
// streams. Images are shipped once and templates made once for each machine, and stay there under names that say by their
// digests what they are.
type there struct {
	h    *Hypervisor
	mu   sync.Mutex
	open *store
	qemu *fileOwner      // whom a system daemon there runs QEMU as; nil for a session daemon, whose QEMUs are its own user's
	kept map[string]bool // files of this run's that later ones will use
}

func openThere(ctx context.Context, h *Hypervisor) (*there, error) {
	p := &there{h: h, kept: map[string]bool{}}
	_, err := p.store(ctx)
	return p, err
}

// store is the daemon's store over the connection that there is now: a daemon that was restarted may have another pool.
func (p *there) store(ctx context.Context) (*store, error) {
	conn, err := p.h.line.Connection(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil || p.open.conn != conn {
		s, err := openStore(ctx, conn, p.h.cfg.Store)
		if err != nil {
			return nil, err
		}
		if p.qemu = nil; strings.HasSuffix(conn.URI().Driver, "/system") {
			p.qemu = &fileOwner{}
			if p.qemu.uid, p.qemu.gid, err = conn.OwnerOfGuests(ctx); err != nil {
				return nil, err
			}
		}
		p.open = s
	}
	return p.open, nil
}

func (p *there) image(ctx context.Context, image vmimages.Image) (vmimages.Image, error) {
	placed := image
	for _, f := range []struct {
		from string
		to   *string
	}{{image.Kernel, &placed.Kernel}, {image.Initrd, &placed.Initrd}, {image.Disk, &placed.Disk}} {
		name := fmt.Sprintf("image-%s-%s", image.Digest, filepath.Base(f.from))
		if err := p.ship(ctx, f.from, name); err != nil {
			return image, err
		}
		*f.to = p.path(name)
	}
	return placed, nil
}

// ship brings a file there, unless it is.
func (p *there) ship(ctx context.Context, from, name string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	return s.put(ctx, name, file, info.Size(), 0o644)
}

// lines leaves it to libvirt where sockets lie; it opens consoles only of terminals.
func (p *there) lines(d *domain) { d.serial, d.guest = "", "" }

func (p *there) console(ctx context.Context, _ domain, created golibvirt.Domain) (io.ReadCloser, error) {
	conn, err := p.h.line.Connection(ctx)
	if err != nil {
		return nil, err
	}
	return conn.OpenConsole(ctx, created)
}

func (p *there) channel(ctx context.Context, _ domain, created golibvirt.Domain) (net.Conn, error) {
	conn, err := p.h.line.Connection(ctx)
	if err != nil {
		return nil, err
	}
	return conn.OpenChannel(ctx, created, protocol.PortName)
}

func (p *there) path(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open.path(name)
}

func (p *there) output(name string) string { return p.path(name) }

func (p *there) overlay(ctx context.Context, name, format, base string, size int64) (string, error) {
	s, err := p.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.overlay(ctx, name, base, format, size)
}

func (p *there) blank(ctx context.Context, name string, size int64) (string, error) {
	s, err := p.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.createFor(ctx, name, size, p.qemu)
}

func (p *there) write(ctx context.Context, name string, data []byte) (string, error) {
	s, err := p.store(ctx)
	if err != nil {
		return "", err
	}
	return s.path(name), s.put(ctx, name, bytes.NewReader(data), int64(len(data)), 0o600)
}

func (p *there) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data bytes.Buffer
	err := p.fetch(ctx, name, &data, limit)
	return data.Bytes(), err
}

func (p *there) fetch(ctx context.Context, name string, to io.Writer, limit int64) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	return s.get(ctx, name, to, limit)
}

func (p *there) remove(ctx context.Context, name string) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	return s.remove(ctx, name)
}

// size is a file's; false when it is not there.
func (p *there) size(ctx context.Context, name string) (int64, bool, error) {
	s, err := p.store(ctx)
	if err != nil {
		return 0, false, err
	}
	return s.size(ctx, name)
}

// files of templates are named for their key and the run that has made them: two runs may make one at the same time.
func (p *there) templateName(key string, _ domain) string {
	return "template-" + key + "-" + p.h.cfg.RunID
}

// A template that is kept there is written down in a file of this name.
func (p *there) noteName(key string) string { return "template-" + key + ".json" }

// A note is what says which files there are a template.
type note struct {
	keptTemplate
	Name string `json:"name"` // of its files, without their suffixes
}

func (p *there) template(ctx context.Context, key string, _ domain) (*template, error) {
	n, ok, err := p.readNote(ctx, key)
	if err != nil || !ok {
		return nil, err
	}
	t := &template{
		kept: n.keptTemplate, ram: p.path(n.Name + ramSuffix), disk: p.path(n.Name + diskSuffix),
		from: "kept on that machine in " + p.path(p.noteName(key)),
	}
	// What is large stays there, and a copy that is tried shows whether it is of use; its size is looked at.
	if size, ok, err := p.size(ctx, n.Name+ramSuffix); err != nil || !ok || size != n.Files[ramFile].Size {
		return nil, errors.Join(err, fmt.Errorf("%s has %d bytes, not %d", t.ram, size, n.Files[ramFile].Size))
	}
	if t.state, err = p.read(ctx, n.Name+stateSuffix, maxState); err != nil {
		return nil, err
	}
	if sealOf(t.state) != n.Files[stateFile] {
		return nil, fmt.Errorf("%s is damaged", p.path(n.Name+stateSuffix))
	}
	return t, nil
}

func (p *there) readNote(ctx context.Context, key string) (n note, ok bool, err error) {
	name := p.noteName(key)
	if _, ok, err = p.size(ctx, name); err != nil || !ok {
		return note{}, false, err
	}
	text, err := p.read(ctx, name, maxTemplateFile)
	if err == nil {
		n.keptTemplate, err = parseTemplate(text, key)
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err == nil && !strings.HasPrefix(n.Name, "template-"+key+"-") {
		err = fmt.Errorf("names files %q", n.Name)
	}
	if err != nil {
		return note{}, false, fmt.Errorf("%s: %w", p.path(name), err)
	}
	return n, true, nil
}

func (p *there) keep(ctx context.Context, t *template, key string) (string, error) {
	if _, ok, err := p.readNote(ctx, key); err != nil || ok {
		return p.path(p.noteName(key)), err // another run was faster: this one's goes with it
	}
	n := note{keptTemplate: t.kept, Name: strings.TrimSuffix(filepath.Base(t.ram), ramSuffix)}
	size, _, err := p.size(ctx, n.Name+ramSuffix)
	if err != nil {
		return "", err
	}
	n.Schema, n.Key = templateSchema, key
	n.Files = map[string]fileSeal{ramFile: {Size: size}, stateFile: sealOf(t.state)}
	text, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return "", err
	}
	if _, err := p.write(ctx, n.Name+stateSuffix, t.state); err != nil {
		return "", err
	}
	if _, err := p.write(ctx, p.noteName(key), text); err != nil {
		return "", err
	}
	for _, suffix := range []string{ramSuffix, diskSuffix, stateSuffix} {
		p.kept[n.Name+suffix] = true
	}
	return p.path(p.noteName(key)), nil
}

func (p *there) discard(ctx context.Context, key string) error {
	n, ok, err := p.readNote(ctx, key)
	if ok {
		for _, suffix := range []string{ramSuffix, diskSuffix, stateSuffix} {
			err = errors.Join(err, p.remove(ctx, n.Name+suffix))
		}
	}
	return errors.Join(err, p.remove(ctx, p.noteName(key)))
}

func (p *there) privateMemory(string) (int64, error) {
	return 0, errors.New("QEMU runs on another machine")
}

func (p *there) machine(ctx context.Context) (admission.Machine, error) {
	var m admission.Machine
	err := p.h.line.Call(ctx, "ask for the machine's memory", connect.CallTime, func(l *golibvirt.Libvirt) error {
		const wholeMachine = -1 // VIR_NODE_MEMORY_STATS_ALL_CELLS
		_, n, err := l.NodeGetMemoryStats(0, wholeMachine, 0)
		if err != nil {
			return err
		}
		stats, _, err := l.NodeGetMemoryStats(n, wholeMachine, 0)
		for _, s := range stats {
			switch s.Field { // KiB
			case "total":
				m.Total = int64(s.Value) << 10
			case "free", "buffers", "cached": // what of these cannot be had back is little where no one else works
				m.Available += int64(s.Value) << 10
			}
		}
		return err
	})
	m.Reserved = admission.Reserve(m.Total)
	return m, err
}

// close removes what the run has made there and later ones do not use.
func (p *there) close(ctx context.Context) error {
	s, err := p.store(ctx)
	if err != nil {
		return err
	}
	return removeFilesOf(ctx, s, p.h.cfg.RunID, p.kept)
}

// removeFilesOf removes a run's files from a store, but those that are kept.
func removeFilesOf(ctx context.Context, s *store, runID string, kept map[string]bool) error {
	names, err := s.list(ctx, "")
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		stem := strings.TrimSuffix(name, filepath.Ext(name))
		ofRun := strings.HasPrefix(name, qemu.DomainPrefix(runID)) || strings.HasPrefix(name, "template-") && strings.HasSuffix(stem, "-"+runID)
		if ofRun && !kept[name] {
			errs = append(errs, s.remove(ctx, name))
		}
	}
	return errors.Join(errs...)
}

// stateSuffix ends the name of the file with a template's state.
const stateSuffix = ".state"

func sealOf(data []byte) fileSeal {
	sum := sha256.Sum256(data)
	return fileSeal{int64(len(data)), hex.EncodeToString(sum[:])}
}
