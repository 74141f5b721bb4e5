// Package workdir is the directory in which a run keeps everything that it needs while it lives, what says whose it
// is, and what runs left that were killed.
package workdir

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

// A Dir is the directory of a run. Whoever gets out of a guest is the account that its QEMU runs as, so names in
// it are of two kinds: where they are ours that account may only come through, and where it makes files, nothing that
// lies there is believed to be what it was.
type Dir struct {
	Path    string
	Owner   Owner
	Account account.Account // of the private daemon and its QEMUs; ourselves where the daemon is not private
	root    *os.Root
}

// Directories in a work directory.
const (
	OursDir   = "files"  // what we make: disks, memory, mailboxes, the ends of consoles and checkpoints on the virtual clock
	usersFile = "passwd" // what the daemon takes for the machine's list of users, see account.Account.Command
	MadeDir   = "made"   // what the daemon and QEMU make: sockets, states of templates, dumps
)

// Options say what a work directory is for.
type Options struct {
	Root   string // directory of the work directories of runs; "" is DefaultRoot
	RunID  string // see ValidRunID
	RunDir string // the run's results directory
	URI    string // of the libvirt daemon; "" for a private one
	Store  string // of that daemon, where it was chosen

	// What a private daemon needs: directories that it makes files in, and files that it reads, by their paths in the
	// work directory.
	Dirs  []string
	Files map[string]string
}

// Create makes a run's work directory and, when its daemon is to be private, chooses the daemon's account.
func Create(o Options) (_ *Dir, err error) {
	root, err := filepath.Abs(cmp.Or(o.Root, DefaultRoot()))
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w := &Dir{Path: filepath.Join(root, o.RunID)}
	// The longest path is the monitor socket of a session daemon's domain, of whose name libvirt takes 20 characters.
	if longest := len(w.Path+"/c/libvirt/qemu/lib/domain-9999-/monitor.sock") + 20; longest > maxSocketPath {
		return nil, fmt.Errorf("work directory %s: sockets in it would have paths of %d bytes, the limit is %d: choose a shorter work root",
			w.Path, longest, maxSocketPath)
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	w.Owner = Owner{RunID: o.RunID, Process: self, BootID: process.MachineBoot(), URI: o.URI, Store: o.Store, RunDir: o.RunDir}
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
	if o.URI == "" {
		taken, err := takenAccounts(root)
		if err == nil {
			w.Account, err = account.Private(taken)
		}
		if err != nil {
			return nil, fmt.Errorf("work directory: %w", err)
		}
		if w.Account.Own {
			w.Owner.Account = w.Account.UID
		}
	}
	fresh := filepath.Join(root, FreshName(self, o.RunID))
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	if err := w.lay(fresh, o); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if err := os.Rename(fresh, w.Path); err != nil {
		err = fmt.Errorf("work directory: %w", err)
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
			err = fmt.Errorf("work directory %s exists: a run of this ID runs or left it; fleetfall gc removes it", w.Path)
		}
		return nil, err
	}
	if w.root, err = os.OpenRoot(w.Path); err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	return w, nil
}

// lay makes what is in a work directory, under the name that it has at first.
func (w *Dir) lay(path string, o Options) (err error) {
	for _, dir := range append([]string{"", OursDir, MadeDir}, o.Dirs...) {
		if err := os.MkdirAll(filepath.Join(path, dir), 0o700); err != nil {
			return err
		}
	}
	if err := WriteOwner(path, w.Owner); err != nil {
		return err
	}
	if o.URI != "" {
		return nil
	}
	if w.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	return errors.Join(w.admitDaemon(o), w.root.Close())
}

// admitDaemon lets the private daemon's account in, with its settings.
func (w *Dir) admitDaemon(o Options) error {
	users, err := w.Account.Users()
	if err != nil {
		return err
	}
	if err := w.write(usersFile, users, w.Account); err != nil {
		return err
	}
	for name, text := range o.Files {
		if err := w.write(name, []byte(text), w.Account); err != nil {
			return err
		}
	}
	for _, dir := range o.Dirs {
		if err := w.let(dir, w.Account.Fill); err != nil {
			return err
		}
	}
	return w.Admit(w.Account)
}

// Admit lets an account that runs QEMU in.
func (w *Dir) Admit(a account.Account) error {
	return cmp.Or(w.let(".", a.Enter), w.let(OursDir, a.Enter), w.let(MadeDir, a.Fill))
}

// let has rights given to a directory.
func (w *Dir) let(dir string, give func(*os.File) error) error {
	file, err := w.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(give(file), file.Close())
}

// Create makes a file that was not there, in oursDir or where nobody was let in yet. Nobody else may use it before it
// is given.
func (w *Dir) Create(name string) (*os.File, error) {
	file, err := w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // which an earlier try has left
		if err = w.root.Remove(name); err == nil {
			file, err = w.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	return file, err
}

// write makes a file of these bytes that an account may use.
func (w *Dir) write(name string, data []byte, a account.Account) error {
	file, err := w.Create(name)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = a.Use(file)
	}
	return errors.Join(err, file.Close())
}

// OpenMade opens a file that the daemon or QEMU has made, at a path in the work directory, to be read. Who has got
// out of a guest may have put anything in its place: what is not a file of that account's, by this one name, is
// refused, and none leads outside.
func (w *Dir) OpenMade(path string, a account.Account) (*os.File, error) {
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

// ReadMade reads the beginning of such a file.
func (w *Dir) ReadMade(path string, a account.Account, limit int64) ([]byte, error) {
	file, err := w.OpenMade(path, a)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// Users is the path of the daemon's list of users.
func (w *Dir) Users() string { return filepath.Join(w.Path, usersFile) }

// Ours is the path of a file that we make, made that of one which the daemon or QEMU makes.
func (w *Dir) Ours(name string) string { return filepath.Join(w.Path, OursDir, name) }
func (w *Dir) Made(name string) string { return filepath.Join(w.Path, MadeDir, name) }

// RemoveFile removes a file of this name, whoever made it.
func (w *Dir) RemoveFile(name string) error {
	err := w.root.Remove(filepath.Join(OursDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = w.root.Remove(filepath.Join(MadeDir, name))
	}
	return err
}

// RemoveOurs removes a file that we have made, if it is there.
func (w *Dir) RemoveOurs(name string) error {
	err := w.root.Remove(filepath.Join(OursDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove removes the directory, and the root when no other run has one there.
func (w *Dir) Remove() error {
	root := filepath.Dir(w.Path)
	// A directory of this name that is half removed would look like what a killed run left.
	fresh := filepath.Join(root, FreshName(w.Owner.Process, w.Owner.RunID))
	if err := os.Rename(w.Path, fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
