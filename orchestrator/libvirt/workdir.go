package libvirt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/agents/protocol"
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
	BootID  string     `json:"boot_id"`           // of the machine's kernel
	URI     string     `json:"uri"`               // of the daemon; empty for a private one
	Account int        `json:"account,omitempty"` // user of the private daemon that is this run's alone
	Store   string     `json:"store,omitempty"`   // see Config.Store
	RunDir  string     `json:"run_dir"`
}

// alive tells whether the process that made the work directory still runs.
func (o owner) alive() bool { return o.BootID == process.MachineBoot() && o.Process.Alive() }

// A workDir is the directory of a run. Whoever gets out of a guest is the account that its QEMU runs as, so names in
// it are of two kinds: where they are ours that account may only come through, and where it makes files, nothing that
// lies there is believed to be what it was.
type workDir struct {
	path    string
	owner   owner
	account account // of the private daemon and its QEMUs; ourselves where the daemon is not private
	root    *os.Root
}

// Directories in a work directory.
const (
	oursDir   = "files"  // what we make: disks, memory, mailboxes, the ends of consoles and checkpoints on the virtual clock
	usersFile = "passwd" // what the daemon takes for the machine's list of users, see showAccount
	madeDir   = "made"   // what the daemon and QEMU make: sockets, states of templates, dumps
)

// daemonDirs are what a private daemon calls its home, and what else it makes files in.
var daemonDirs = []string{"c", "c/libvirt", "h", "r"}

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

// createWorkDir makes a run's work directory and, when its daemon is to be private, chooses the daemon's account.
func createWorkDir(cfg Config) (_ *workDir, err error) {
	root, err := filepath.Abs(cmp.Or(cfg.WorkRoot, DefaultWorkRoot()))
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w := &workDir{path: filepath.Join(root, cfg.RunID)}
	// The longest path is the monitor socket of a session daemon's domain, of whose name libvirt takes 20 characters.
	if longest := len(w.path+"/c/libvirt/qemu/lib/domain-9999-/monitor.sock") + 20; longest > maxSocketPath {
		return nil, fmt.Errorf("work directory %s: sockets in it would have paths of %d bytes, the limit is %d: choose a shorter work root",
			w.path, longest, maxSocketPath)
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w.owner = owner{RunID: cfg.RunID, Process: self, BootID: process.MachineBoot(), URI: cfg.URI, Store: cfg.Store, RunDir: cfg.RunDir}
	lock, err := lockRoot(root, true) // so that no two runs choose the same account
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	defer lock.Close()
	if err := checkOurs(root); err != nil {
		return nil, err
	}
	if err := lock.Chmod(0o711); err != nil { // whatever the umask is, accounts of QEMU come through it
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if cfg.URI == "" {
		taken, err := takenAccounts(root)
		if err == nil {
			w.account, err = privateAccount(taken)
		}
		if err != nil {
			return nil, fmt.Errorf("work directory: %w", err)
		}
		if w.account.own {
			w.owner.Account = w.account.uid
		}
	}
	fresh := filepath.Join(root, freshName(self, cfg.RunID))
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	if err := w.lay(fresh, cfg.URI == ""); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if err := os.Rename(fresh, w.path); err != nil {
		err = fmt.Errorf("work directory: %w", err)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
			err = fmt.Errorf("work directory %s exists: a run of this ID runs or left it; fleetfall gc removes it", w.path)
		}
		return nil, err
	}
	if w.root, err = os.OpenRoot(w.path); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	return w, nil
}

// lay makes what is in a work directory, under the name that it has at first.
func (w *workDir) lay(path string, private bool) (err error) {
	for _, dir := range append([]string{"", oursDir, madeDir}, daemonDirs...) {
		if err := os.MkdirAll(filepath.Join(path, dir), 0o700); err != nil {
			return err
		}
	}
	if err := writeOwner(path, w.owner); err != nil {
		return err
	}
	if !private {
		return nil
	}
	if w.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	return errors.Join(w.admitDaemon(), w.root.Close())
}

// admitDaemon lets the private daemon's account in, with its settings.
func (w *workDir) admitDaemon() error {
	users, err := w.account.users()
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{daemonConfFile: []byte(daemonConf), qemuConfFile: []byte(qemuConf), usersFile: users} {
		if err := w.write(name, text, w.account); err != nil {
			return err
		}
	}
	for _, dir := range daemonDirs {
		if err := w.let(dir, w.account.fill); err != nil {
			return err
		}
	}
	return w.admit(w.account)
}

// admit lets an account that runs QEMU in.
func (w *workDir) admit(a account) error {
	return cmp.Or(w.let(".", a.enter), w.let(oursDir, a.enter), w.let(madeDir, a.fill))
}

// let has rights given to a directory.
func (w *workDir) let(dir string, give func(*os.File) error) error {
	file, err := w.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(give(file), file.Close())
}

// create makes a file that was not there, in oursDir or where nobody was let in yet. Nobody else may use it before it
// is given.
func (w *workDir) create(name string) (*os.File, error) {
	file, err := w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // which an earlier try has left
		if err = w.root.Remove(name); err == nil {
			file, err = w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	return file, err
}

// write makes a file of these bytes that an account may use.
func (w *workDir) write(name string, data []byte, a account) error {
	file, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = a.use(file)
	}
	return errors.Join(err, file.Close())
}

// openMade opens a file that the daemon or QEMU has made, at a path in the work directory, to be read. Who has got
// out of a guest may have put anything in its place: what is not a file of that account's, by this one name, is
// refused, and none leads outside.
func (w *workDir) openMade(path string, a account) (*os.File, error) {
	file, err := w.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		stat, ok := info.Sys().(*syscall.Stat_t)
		theirs := ok && (int(stat.Uid) == os.Getuid() || a.has(stat.Uid))
		if !info.Mode().IsRegular() || !theirs || stat.Nlink != 1 {
			err = fmt.Errorf("%s is not what a daemon makes: %v, of user %d, with %d names", file.Name(), info.Mode(), stat.Uid, stat.Nlink)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readMade reads the beginning of such a file.
func (w *workDir) readMade(path string, a account, limit int64) ([]byte, error) {
	file, err := w.openMade(path, a)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// lockRoot opens the root of work directories and locks it, after making it when that is asked for: nobody else makes
// or removes anything in it until it is closed. Those who lock it have little to do.
func lockRoot(root string, create bool) (*os.File, error) {
	for {
		if create {
			if err := makeRoot(root); err != nil {
				return nil, err
			}
		}
		dir, err := os.Open(root)
		if create && errors.Is(err, fs.ErrNotExist) {
			continue // another run has just removed it
		}
		if err != nil {
			return nil, err
		}
		locked, err := dir.Stat()
		if err == nil {
			err = flock(dir, syscall.LOCK_EX)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", root, err), dir.Close())
		}
		if now, err := os.Lstat(root); err == nil && os.SameFile(locked, now) {
			return dir, nil
		}
		_ = dir.Close() // it is another's now, or a link, which checkOurs refuses
		if info, err := os.Lstat(root); err == nil && !info.IsDir() {
			return nil, checkOurs(root)
		}
	}
}

// flock locks a file as how says, see flock(2), and waits for that.
func flock(file *os.File, how int) error {
	for {
		if err := syscall.Flock(int(file.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// makeRoot makes the root of work directories, if it is not there.
func makeRoot(root string) error {
	err := os.MkdirAll(filepath.Dir(root), 0o755)
	if err == nil {
		err = os.Mkdir(root, 0o711)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) { // which another run has just made, or removed
		return nil
	}
	return err
}

// takenAccounts are those of runs whose work directories are there, also when they were killed.
func takenAccounts(root string) ([]int, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var taken []int
	for _, e := range entries {
		if o, err := readOwner(filepath.Join(root, e.Name())); err == nil && o.Account != 0 {
			taken = append(taken, o.Account)
		}
	}
	return taken, nil
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

// DiskBesides is what a host may take of the disk besides its own, in bytes: its mailbox, its log and the state that
// it starts from.
const DiskBesides = protocol.MailboxSize + 2<<20

// RoomForDisks is how many bytes are free where the work directories of this user's runs lie; workRoot "" is
// DefaultWorkRoot.
func RoomForDisks(workRoot string) (int64, error) {
	for dir := cmp.Or(workRoot, DefaultWorkRoot()); ; dir = filepath.Dir(dir) {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue // it is made there
		}
		if err != nil {
			return 0, fmt.Errorf("look at the disk of %s: %w", dir, err)
		}
		return max(1, int64(s.Bavail)*s.Bsize), nil // not 0, which says that it is not known
	}
}

// ours is the path of a file that we make, made that of one which the daemon or QEMU makes.
func (w *workDir) ours(name string) string { return filepath.Join(w.path, oursDir, name) }
func (w *workDir) made(name string) string { return filepath.Join(w.path, madeDir, name) }

// remove removes the directory, and the root when no other run has one there.
func (w *workDir) remove() error {
	root := filepath.Dir(w.path)
	// A directory of this name that is half removed would look like what a killed run left.
	fresh := filepath.Join(root, freshName(w.owner.Process, w.owner.RunID))
	if err := os.Rename(w.path, fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove work directory: %w", err)
	}
	_ = w.root.Close() // which may have been done before
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove work directory: %w", err)
	}
	lock, err := lockRoot(root, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove work directory: %w", err)
	}
	_ = os.Remove(root) // fails, rightly, while another run is there
	return lock.Close() // which also unlocks
}

// domainPrefix begins the name of every domain of a run.
func domainPrefix(runID string) string { return "ff-" + runID + "-" }
