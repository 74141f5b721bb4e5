package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

const (
	storePool   = "fleetfall" // name of the store's storage pool
	storeDir    = "/var/tmp/fleetfall-store"
	storeSuffix = ".whole" // of the empty file beside one that put has finished
)

// A Store is the folder of a remote machine in which fleetfall keeps files: a directory pool of its libvirt daemon.
// Runs share it, and it outlives them. Its methods may be called from any goroutine; errors name the file, not the
// machine.
//
// What put stores is for all: its name says what is in it, the same whoever puts it, so a digest is part of it. What
// create and overlay make, and QEMU writes there, is one run's, with the run in its name.
type Store struct {
	conn *connect.Connection
	pool golibvirt.StoragePool
	dir  string // on that machine
}

// OpenStore opens the daemon's store, and makes it where there is none; dir "" is the usual place. It is to be opened
// again on another connection: a daemon that was restarted does not know it any more.
func OpenStore(ctx context.Context, c *connect.Connection, dir string) (*Store, error) {
	if dir != "" {
		return openStoreIn(ctx, c, storePool, dir)
	}
	return openStoreIn(ctx, c, storePool, storeDirs(c.URI().Driver)...)
}

// storeDirs are the directories that may be a daemon's store; it takes the first that is its own. A session daemon is
// some user's, who is not known here: there are as many as users may share a machine.
func storeDirs(driver string) []string {
	if !strings.HasSuffix(driver, "/session") {
		return []string{storeDir}
	}
	dirs := make([]string, 16)
	for i := range dirs {
		dirs[i] = fmt.Sprintf("%s-session-%d", storeDir, i+1)
	}
	return dirs
}

func openStoreIn(ctx context.Context, c *connect.Connection, pool string, dirs ...string) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	again := time.NewTicker(connect.BusyAgain)
	defer again.Stop()
	for patience := time.Now().Add(connect.CallTime); ; {
		s, err := lookUpStore(ctx, c, pool, dirs)
		if connect.HasCode(err, golibvirt.ErrNoStoragePool) {
			if err = createStore(ctx, c, pool, dirs); err == nil {
				continue
			}
		}
		// Another run may be making it at this moment: then there is a pool that is not active yet.
		starting := errors.Is(err, errInactive) || connect.HasCode(err, golibvirt.ErrOperationFailed)
		if !starting || time.Now().After(patience) {
			return s, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}

var errInactive = errors.New("it is not active; undefine it, and fleetfall makes its own")

// createStore makes the first of these directories that can be made, and starts a pool in it.
func createStore(ctx context.Context, c *connect.Connection, pool string, dirs []string) error {
	var first error
	for _, dir := range dirs {
		// The mode is set also where the directory is there already. Only its owner can, so a directory that another
		// user has put in the way is refused; where the daemon is root, who can, storeOf looks at the owner. QEMU's
		// user passes through and reads no names.
		text, err := (&libvirtxml.StoragePool{Type: "dir", Name: pool, Target: &libvirtxml.StoragePoolTarget{
			Path: dir, Permissions: &libvirtxml.StoragePoolTargetPermissions{Mode: "0711"},
		}}).Marshal()
		if err != nil {
			return fmt.Errorf("make the store %s: %w", dir, err)
		}
		err = c.Call(ctx, "make the store "+dir, connect.CreateTime, func(l *golibvirt.Libvirt) error {
			_, err := l.StoragePoolCreateXML(text, golibvirt.StoragePoolCreateWithBuild)
			return err
		})
		if !connect.HasCode(err, golibvirt.ErrSystemError) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// lookUpStore finds the pool of a store. An error of the code ErrNoStoragePool means that there is none.
func lookUpStore(ctx context.Context, c *connect.Connection, name string, dirs []string) (*Store, error) {
	s := &Store{conn: c}
	var text string
	var active int32
	err := c.Call(ctx, "open the store", connect.CreateTime, func(l *golibvirt.Libvirt) (err error) {
		if s.pool, err = l.StoragePoolLookupByName(name); err == nil {
			if active, err = l.StoragePoolIsActive(s.pool); err == nil {
				text, err = l.StoragePoolGetXMLDesc(s.pool, 0)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if active == 0 {
		return nil, fmt.Errorf("storage pool %s: %w", name, errInactive)
	}
	if s.dir, err = storeOf(text, dirs, strings.HasSuffix(c.URI().Driver, "/system")); err != nil {
		return nil, fmt.Errorf("storage pool %s cannot be the store: %w", name, err)
	}
	return s, nil
}

// storeOf returns the directory of a pool, given as XML, after checking that it is a store in one of dirs.
func storeOf(text string, dirs []string, system bool) (dir string, err error) {
	var pool libvirtxml.StoragePool
	if err := pool.Unmarshal(text); err != nil {
		return "", err
	}
	switch target := pool.Target; {
	case pool.Type != "dir":
		return "", fmt.Errorf("its type is %q, want dir", pool.Type)
	case target == nil || !slices.Contains(dirs, target.Path):
		return "", fmt.Errorf("it is not in %s", strings.Join(dirs, " or "))
	case system && (target.Permissions == nil || target.Permissions.Owner != "0"):
		// Users of that machine may make directories there too, and could put any image into theirs.
		return "", fmt.Errorf("%s does not belong to root: remove it", target.Path)
	default:
		return target.Path, nil
	}
}

// path is where QEMU finds a file.
func (s *Store) path(name string) string { return path.Join(s.dir, name) }

// call makes one request about a file, "" for the directory.
func (s *Store) call(ctx context.Context, op, name string, f func(*golibvirt.Libvirt) error) error {
	return s.conn.Call(ctx, op+" "+s.path(name), connect.CreateTime, f)
}

// patient is call for what the daemon refuses while it makes a volume, or another run puts it: it asks again.
func (s *Store) patient(ctx context.Context, op, name string, f func(*golibvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeout(ctx, connect.CreateTime)
	defer cancel()
	again := time.NewTicker(connect.BusyAgain)
	defer again.Stop()
	for {
		err := s.call(ctx, op, name, f)
		if !connect.IsBusy(err) {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
