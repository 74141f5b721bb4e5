package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// storeName is what files in a store may be called. Hidden files are not ours.
var storeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:_+-]{0,199}$`)

func checkStoreName(name string) error {
	if !storeName.MatchString(name) || strings.HasSuffix(name, storeSuffix) {
		return fmt.Errorf("file name %q in a store: want up to 200 letters, digits and .:_+-, and no %s at its end",
			name, storeSuffix)
	}
	return nil
}

// refresh has the daemon look at the directory, for what others than itself have written there.
func (s *Store) refresh(ctx context.Context) error {
	return s.patient(ctx, "look through", "", func(l *golibvirt.Libvirt) error { return l.StoragePoolRefresh(s.pool, 0) })
}

// known finds a file of which the daemon knows. An error of the code ErrNoStorageVol means that there is none.
func (s *Store) known(ctx context.Context, name string) (volume golibvirt.StorageVol, err error) {
	err = s.call(ctx, "look for", name, func(l *golibvirt.Libvirt) (err error) {
		volume, err = l.StorageVolLookupByName(s.pool, name)
		return err
	})
	return volume, err
}

// find finds a file, whoever wrote it. An error of the code ErrNoStorageVol means that there is none.
func (s *Store) find(ctx context.Context, name string) (golibvirt.StorageVol, error) {
	if err := checkStoreName(name); err != nil {
		return golibvirt.StorageVol{}, err
	}
	volume, err := s.known(ctx, name)
	if !connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return volume, err
	}
	if err := s.refresh(ctx); err != nil {
		return volume, err
	}
	return s.known(ctx, name)
}

// size returns the length of a file in bytes, of a disk not what it holds; false when there is none.
func (s *Store) size(ctx context.Context, name string) (bytes int64, found bool, err error) {
	volume, err := s.find(ctx, name)
	if err == nil {
		bytes, err = s.length(ctx, volume)
	}
	if connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return 0, false, nil
	}
	return bytes, err == nil, err
}

func (s *Store) length(ctx context.Context, volume golibvirt.StorageVol) (bytes int64, err error) {
	err = s.call(ctx, "measure", volume.Name, func(l *golibvirt.Libvirt) error {
		_, _, length, err := l.StorageVolGetInfoFlags(volume, uint32(golibvirt.StorageVolGetPhysical))
		bytes = int64(length)
		return err
	})
	return bytes, err
}

// create makes an empty file: zeros that take no space. It is an error if there is one of that name.
func (s *Store) create(ctx context.Context, name string, size int64, mode os.FileMode) error {
	if err := checkStoreName(name); err != nil {
		return err
	}
	return s.createRaw(ctx, name, size, mode)
}

func (s *Store) createRaw(ctx context.Context, name string, size int64, mode os.FileMode) error {
	return s.make(ctx, rawVolume(name, size, mode))
}

// A fileOwner is a user and a group of the daemon's machine.
type fileOwner struct{ uid, gid int }

// createFor is create for a file that this account of that machine's reads and writes, and nobody else; nil for the
// daemon's own.
func (s *Store) createFor(ctx context.Context, name string, size int64, a *fileOwner) error {
	if err := checkStoreName(name); err != nil {
		return err
	}
	v := rawVolume(name, size, 0o600)
	if a != nil {
		v.Target.Permissions.Owner, v.Target.Permissions.Group = strconv.Itoa(a.uid), strconv.Itoa(a.gid)
	}
	return s.make(ctx, v)
}

func rawVolume(name string, size int64, mode os.FileMode) libvirtxml.StorageVolume {
	return libvirtxml.StorageVolume{
		Name: name, Capacity: inBytes(size),
		Target: &libvirtxml.StorageVolumeTarget{
			Format:      &libvirtxml.StorageVolumeTargetFormat{Type: "raw"},
			Permissions: &libvirtxml.StorageVolumeTargetPermissions{Mode: fmt.Sprintf("%#o", mode.Perm())},
		},
	}
}

// Overlay makes a disk of this many bytes on top of another of that machine, a path, which is "raw" or "qcow2".
func (s *Store) Overlay(ctx context.Context, name, backing, backingFormat string, size int64) error {
	if err := checkStoreName(name); err != nil {
		return err
	}
	return s.make(ctx, libvirtxml.StorageVolume{
		Name: name, Capacity: inBytes(size),
		Target: &libvirtxml.StorageVolumeTarget{
			Format: &libvirtxml.StorageVolumeTargetFormat{Type: "qcow2"}, Compat: "1.1",
			Permissions: &libvirtxml.StorageVolumeTargetPermissions{Mode: "0600"},
		},
		BackingStore: &libvirtxml.StorageVolumeBackingStore{
			Path: backing, Format: &libvirtxml.StorageVolumeTargetFormat{Type: backingFormat},
		},
	})
}

func inBytes(n int64) *libvirtxml.StorageVolumeSize {
	return &libvirtxml.StorageVolumeSize{Unit: "bytes", Value: uint64(n)}
}

func (s *Store) make(ctx context.Context, v libvirtxml.StorageVolume) error {
	v.Type, v.Allocation = "file", inBytes(0)
	text, err := v.Marshal()
	if err != nil {
		return fmt.Errorf("create %s: %w", s.path(v.Name), err)
	}
	return s.call(ctx, "create", v.Name, func(l *golibvirt.Libvirt) error {
		_, err := l.StorageVolCreateXML(s.pool, text, 0)
		return err
	})
}

// Remove removes a file, if it is there. Nobody may be putting or using it.
func (s *Store) Remove(ctx context.Context, name string) error {
	volume, err := s.find(ctx, name)
	if err != nil && !connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return err
	}
	// First, or else a file that is begun under this name would pass for whole.
	if e := s.unmark(ctx, name); e != nil || err != nil {
		return e
	}
	return s.delete(ctx, volume)
}

func (s *Store) delete(ctx context.Context, volume golibvirt.StorageVol) error {
	err := s.patient(ctx, "remove", volume.Name, func(l *golibvirt.Libvirt) error { return l.StorageVolDelete(volume, 0) })
	if connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return nil
	}
	return err
}

// list returns the names of the files that begin with prefix, sorted; half put ones are among them.
func (s *Store) list(ctx context.Context, prefix string) ([]string, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	var names []string
	err := s.call(ctx, "list", "", func(l *golibvirt.Libvirt) error {
		volumes, _, err := l.StoragePoolListAllVolumes(s.pool, 1, 0)
		names = nil
		for _, v := range volumes {
			if name := strings.TrimSuffix(v.Name, storeSuffix); strings.HasPrefix(name, prefix) && checkStoreName(name) == nil {
				names = append(names, name)
			}
		}
		return err
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// RemoveAll removes the files whose names are meant.
func (s *Store) RemoveAll(ctx context.Context, meant func(name string) bool) error {
	names, err := s.list(ctx, "")
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if meant(name) {
			errs = append(errs, s.Remove(ctx, name))
		}
	}
	return errors.Join(errs...)
}
