package libvirt

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// maxSocketPath is the longest path of a unix socket, see unix(7).
const maxSocketPath = 107

// A workDir is the directory of a run. Whoever gets out of a guest is the account that its QEMU runs as, so names in
// it are of two kinds: where they are ours that account may only come through, and where it makes files, nothing that
// lies there is believed to be what it was.
type workDir struct {
	path    string
	owner   owner
	account account.Account // of the private daemon and its QEMUs; ourselves where the daemon is not private
	root    *os.Root
}

// Directories in a work directory.
const (
	oursDir   = "files"  // what we make: disks, memory, mailboxes, the ends of consoles and checkpoints on the virtual clock
	usersFile = "passwd" // what the daemon takes for the machine's list of users, see account.Account.Command
	madeDir   = "made"   // what the daemon and QEMU make: sockets, states of templates, dumps
)

// workOptions say what a work directory is for.
type workOptions struct {
	workRoot string // directory of the work directories of runs; "" is defaultRoot
	runID    string // see validRunID
	runDir   string // the run's results directory
	uri      string // of the libvirt daemon; "" for a private one
	store    string // of that daemon, where it was chosen

	// What a private daemon needs: directories that it makes files in, and files that it reads, by their paths in the work directory.
	dirs  []string
	files map[string]string
}

// createWorkDir makes a run's work directory and, when its daemon is to be private, chooses the daemon's account.
func createWorkDir(o workOptions) (_ *workDir, err error) {
	root, err := filepath.Abs(cmp.Or(o.workRoot, defaultRoot()))
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w := &workDir{path: filepath.Join(root, o.runID)}
	// The longest path is the monitor socket of a session daemon's domain, of whose name libvirt takes 20 characters.
	if longest := len(w.path+"/c/libvirt/qemu/lib/domain-9999-/monitor.sock") + 20; longest > maxSocketPath {
		return nil, fmt.Errorf("work directory %s: sockets in it would have paths of %d bytes, the limit is %d: choose a shorter work root",
			w.path, longest, maxSocketPath)
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w.owner = owner{RunID: o.runID, Process: self, BootID: process.MachineBoot(), URI: o.uri, Store: o.store, RunDir: o.runDir}
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
	if o.uri == "" {
		taken, err := takenAccounts(root)
		if err == nil {
			w.account, err = account.Private(taken)
		}
		if err != nil {
			return nil, fmt.Errorf("work directory: %w", err)
		}
		if w.account.Own {
			w.owner.Account = w.account.UID
		}
	}
	fresh := filepath.Join(root, freshName(self, o.runID))
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	if err := w.lay(fresh, o); err != nil {
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
func (w *workDir) lay(path string, o workOptions) (err error) {
	for _, dir := range append([]string{"", oursDir, madeDir}, o.dirs...) {
		if err := os.MkdirAll(filepath.Join(path, dir), 0o700); err != nil {
			return err
		}
	}
	if err := writeOwner(path, w.owner); err != nil {
		return err
	}
	if o.uri != "" {
		return nil
	}
	if w.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	return errors.Join(w.admitDaemon(o), w.root.Close())
}

// admitDaemon lets the private daemon's account in, with its settings.
func (w *workDir) admitDaemon(o workOptions) error {
	users, err := w.account.Users()
	if err != nil {
		return err
	}
	if err := w.write(usersFile, users, w.account); err != nil {
		return err
	}
	for name, text := range o.files {
		if err := w.write(name, []byte(text), w.account); err != nil {
			return err
		}
	}
	for _, dir := range o.dirs {
		if err := w.let(dir, w.account.Fill); err != nil {
			return err
		}
	}
	return w.admit(w.account)
}

// admit lets an account that runs QEMU in.
func (w *workDir) admit(a account.Account) error {
	return cmp.Or(w.let(".", a.Enter), w.let(oursDir, a.Enter), w.let(madeDir, a.Fill))
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
func (w *workDir) write(name string, data []byte, a account.Account) error {
	file, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = a.Use(file)
	}
	return errors.Join(err, file.Close())
}

// openMade opens a file that the daemon or QEMU has made, at a path in the work directory, to be read. Who has got
// out of a guest may have put anything in its place: what is not a file of that account's, by this one name, is
// refused, and none leads outside.
func (w *workDir) openMade(path string, a account.Account) (*os.File, error) {
	file, err := w.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		stat, ok := info.Sys().(*syscall.Stat_t)
		theirs := ok && (int(stat.Uid) == os.Getuid() || a.Has(stat.Uid))
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
func (w *workDir) readMade(path string, a account.Account, limit int64) ([]byte, error) {
	file, err := w.openMade(path, a)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// users is the path of the daemon's list of users.
func (w *workDir) users() string { return filepath.Join(w.path, usersFile) }

// ours is the path of a file that we make, made that of one which the daemon or QEMU makes.
func (w *workDir) ours(name string) string { return filepath.Join(w.path, oursDir, name) }
func (w *workDir) made(name string) string { return filepath.Join(w.path, madeDir, name) }

// removeFile removes a file of this name, whoever made it.
func (w *workDir) removeFile(name string) error {
	err := w.root.Remove(filepath.Join(oursDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = w.root.Remove(filepath.Join(madeDir, name))
	}
	return err
}

// removeOurs removes a file that we have made, if it is there.
func (w *workDir) removeOurs(name string) error {
	err := w.root.Remove(filepath.Join(oursDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

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
