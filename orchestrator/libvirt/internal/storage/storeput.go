package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// put makes a file of what r has, size bytes, whole or not at all; has tells. What is whole already is left as it is,
// and what is there in part is written over: libvirt cannot rename a file, so it is whole with a mark beside it. Two
// may put the same file at once. A read from r is not cut short when ctx ends.
//
// The mark says nothing of a machine that lost its power in the seconds before its kernel wrote the file down.
func (s *Store) put(ctx context.Context, name string, r io.Reader, size int64, mode os.FileMode) error {
	have, found, err := s.size(ctx, name)
	if err != nil {
		return err
	}
	whole, err := s.marked(ctx, name)
	switch {
	case err != nil:
		return err
	case found && whole && have == size:
		return nil
	case found && whole:
		return fmt.Errorf("put %s: another file of that name is there, with %d bytes, not %d", s.path(name), have, size)
	case found && have > size:
		err = s.Remove(ctx, name)
		found = false
	case !found && whole: // whoever removed it did not know of the mark
		err = s.unmark(ctx, name)
	}
	if err != nil {
		return err
	}
	volume, fresh, err := s.prepare(ctx, name, size, mode, found)
	if err != nil {
		return err
	}
	sent := sha256.New()
	err = s.conn.Transfer(ctx, size, func(ctx context.Context, t *connect.Transfer) error {
		return t.Upload(ctx, volume, io.TeeReader(r, sent), size, fresh)
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", s.path(name), err)
	}
	// libvirt 9.0 says that all is well also when the last bytes could not be written.
	back := sha256.New()
	if err := s.get(ctx, name, back, size); err != nil {
		return err
	}
	if !bytes.Equal(sent.Sum(nil), back.Sum(nil)) {
		return fmt.Errorf("put %s: not all was written%s", s.path(name), s.shortage(ctx, size))
	}
	if err := s.createRaw(ctx, name+storeSuffix, 0, 0o644); !connect.HasCode(err, golibvirt.ErrStorageVolExist) {
		return err
	}
	return nil
}

// shortage says if there is no space left, as far as can be known.
func (s *Store) shortage(ctx context.Context, size int64) string {
	var free uint64
	err := s.refresh(ctx)
	if err == nil {
		err = s.call(ctx, "ask for space in", "", func(l *golibvirt.Libvirt) (err error) {
			_, _, _, free, err = l.StoragePoolGetInfo(s.pool)
			return err
		})
	}
	if err != nil || free >= uint64(size) {
		return ""
	}
	return fmt.Sprintf(": no space left, %d bytes are free there", free)
}

// prepare finds or creates the file that put fills. It is fresh when it is known to hold only zeros. One that is there
// stays where it is: another run may be putting it, and then both write the same.
func (s *Store) prepare(
	ctx context.Context, name string, size int64, mode os.FileMode, found bool,
) (volume golibvirt.StorageVol, fresh bool, err error) {
	if !found {
		err = s.create(ctx, name, size, mode)
		if fresh = err == nil; !fresh && !connect.HasCode(err, golibvirt.ErrStorageVolExist) {
			return volume, false, err
		}
	}
	volume, err = s.find(ctx, name)
	return volume, fresh, err
}

// has tells whether a file is there that was put whole.
func (s *Store) has(ctx context.Context, name string) (bool, error) {
	if _, found, err := s.size(ctx, name); err != nil || !found {
		return false, err
	}
	return s.marked(ctx, name)
}

func (s *Store) marked(ctx context.Context, name string) (bool, error) {
	_, err := s.known(ctx, name+storeSuffix)
	if connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) unmark(ctx context.Context, name string) error {
	mark, err := s.known(ctx, name+storeSuffix)
	if err == nil {
		err = s.delete(ctx, mark)
	}
	if connect.HasCode(err, golibvirt.ErrNoStorageVol) {
		return nil
	}
	return err
}

// get copies a file to w; it is an error if there are more than limit bytes.
func (s *Store) get(ctx context.Context, name string, w io.Writer, limit int64) error {
	volume, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	size, err := s.length(ctx, volume)
	if err != nil {
		return err
	}
	if size > limit {
		return fmt.Errorf("get %s: it has %d bytes, the limit is %d", s.path(name), size, limit)
	}
	err = s.conn.Transfer(ctx, size, func(_ context.Context, t *connect.Transfer) error { return t.Download(volume, w, size) })
	if err != nil {
		return fmt.Errorf("get %s: %w", s.path(name), err)
	}
	return nil
}
