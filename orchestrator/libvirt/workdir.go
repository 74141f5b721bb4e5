package libvirt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
)

// maxSocketPath is the longest path of a unix socket, see unix(7).
const maxSocketPath = 107

// DefaultWorkRoot is where the work directories of this user's runs are: on a disk, unlike /tmp, which may be memory,
// with a short path, because unix sockets live there, and open to the account that QEMU runs under, unlike home.
func DefaultWorkRoot() string { return "/var/tmp/fleetfall-" + strconv.Itoa(os.Getuid()) }

// Promises is the ledger of the memory that this user's runs on this machine are going to take; workRoot "" is
// DefaultWorkRoot.
func Promises(workRoot string) admission.Ledger {
	return admission.Ledger{Dir: filepath.Join(cmp.Or(workRoot, DefaultWorkRoot()), ".promises")}
}

// An owner says whose a work directory is. It is written before the directory gets its name, so that a directory
// without a readable one belongs to nobody.
type owner struct {
	RunID   string     `json:"run_id"`
	Process process.ID `json:"process"`
	BootID  string     `json:"boot_id"`         // of the machine's kernel
	URI     string     `json:"uri"`             // of the daemon; empty for a private one
	Store   string     `json:"store,omitempty"` // see Config.Store
	RunDir  string     `json:"run_dir"`
}

// alive tells whether the process that made the work directory still runs.
func (o owner) alive() bool { return o.BootID == process.MachineBoot() && o.Process.Alive() }

// A workDir is the directory of a run: overlays, sockets and the private daemon's files.
type workDir struct {
	path  string
	owner owner
}

// freshName is what a run's work directory is called before it has an owner file, and when it has none any more.
func freshName(p process.ID, runID string) string {
	return fmt.Sprintf("%s%d-%d-%s", newPrefix, p.PID, p.Start, runID)
}

// freshOwner returns the process in such a name.
func freshOwner(name string) (p process.ID, ok bool) {
	n, err := fmt.Sscanf(name, newPrefix+"%d-%d-", &p.PID, &p.Start)
	return p, n == 2 && err == nil
}

const (
	ownerFile = "owner.json"
	newPrefix = ".new-" // see freshName
)

func createWorkDir(cfg Config, a account) (*workDir, error) {
	root := cfg.WorkRoot
	if root == "" {
		root = DefaultWorkRoot()
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w := &workDir{path: filepath.Join(root, cfg.RunID)}
	// The longest path is the monitor socket of a session daemon's domain, of whose name libvirt takes 20 characters.
	if longest := len(w.path+"/c/libvirt/qemu/lib/domain-9999-/monitor.sock") + 20; longest > maxSocketPath {
		return nil, fmt.Errorf("work directory %s: sockets in it would have paths of %d bytes, the limit is %d: choose a shorter work root",
			w.path, longest, maxSocketPath)
	}
	if err := os.MkdirAll(root, 0o711); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if err := checkOurs(root); err != nil {
		return nil, err
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w.owner = owner{RunID: cfg.RunID, Process: self, BootID: process.MachineBoot(), URI: cfg.URI, Store: cfg.Store, RunDir: cfg.RunDir}
	fresh := filepath.Join(root, freshName(self, cfg.RunID))
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	for _, dir := range []string{"", "c/libvirt", "h", "r", "files", "sockets"} {
		if err := os.MkdirAll(filepath.Join(fresh, dir), 0o711); err != nil {
			return nil, fmt.Errorf("work directory: %w", err)
		}
	}
	// Everything but the owner file is QEMU's and the daemon's to write in.
	for _, dir := range []string{"c", "c/libvirt", "h", "r", "files", "sockets"} {
		if err := a.own(filepath.Join(fresh, dir)); err != nil {
			return nil, fmt.Errorf("work directory: %w", err)
		}
	}
	if err := writeOwner(fresh, w.owner); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, w.path); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
			return nil, fmt.Errorf("work directory %s exists: a run of this ID runs or left it; fleetfall gc removes it", w.path)
		}
		return nil, fmt.Errorf("work directory: %w", err)
	}
	return w, nil
}

// checkOurs refuses a root that somebody else made or may write in: it is at a known place in a directory for everybody.
func checkOurs(root string) error {
	info, err := os.Lstat(root)
	if err != nil {
		return fmt.Errorf("work root: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("work root %s must be a directory that belongs to user %d and that nobody else may write in", root, os.Getuid())
	}
	return nil
}

func writeOwner(dir string, o owner) error {
	text, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return fmt.Errorf("owner file: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, ownerFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("owner file: %w", err)
	}
	return nil
}

func readOwner(dir string) (owner, error) {
	text, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if err != nil {
		return owner{}, err
	}
	var o owner
	if err := json.Unmarshal(text, &o); err != nil {
		return owner{}, fmt.Errorf("%s: %w", filepath.Join(dir, ownerFile), err)
	}
	if o.Process.PID <= 0 || o.BootID == "" {
		return owner{}, fmt.Errorf("%s names no process", filepath.Join(dir, ownerFile))
	}
	return o, nil
}

func (w *workDir) file(name string) string   { return filepath.Join(w.path, "files", name) }
func (w *workDir) socket(name string) string { return filepath.Join(w.path, "sockets", name) }

// remove removes the directory, and the root when no other run has one there.
func (w *workDir) remove() error {
	root := filepath.Dir(w.path)
	// A directory of this name that is half removed would look like what a killed run left.
	fresh := filepath.Join(root, freshName(w.owner.Process, w.owner.RunID))
	if err := os.Rename(w.path, fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove work directory: %w", err)
	}
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove work directory: %w", err)
	}
	_ = os.Remove(root) // fails, rightly, while another run is there
	return nil
}

// domainPrefix begins the name of every domain of a run.
func domainPrefix(runID string) string { return "ff-" + runID + "-" }
