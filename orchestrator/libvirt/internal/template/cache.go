package template

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/cache"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
)

// The files of a kept template, in a directory of its own.
const (
	Schema    = 3
	File      = "template.json" // a keptTemplate
	RAMFile   = "memory"
	StateFile = "state"
	diskFile  = "disk.qcow2"

	maxFile       = 1 << 20          // bytes of templateFile
	staleTemplate = 24 * time.Hour   // unused for so long, a template of the same kind is removed
	leftBehind    = 10 * time.Minute // since when a directory of that name is nobody's any more
)

// A Cache is a shelf in a directory of this machine, which all runs share. Templates that are used lie among the
// run's own files.
type Cache struct {
	root  string // "" keeps none
	files *storage.Local
}

// NewCache is the shelf in a directory; "" keeps nothing.
func NewCache(dir string, files *storage.Local) *Cache {
	return &Cache{root: dir, files: files}
}

func (c *Cache) Name(_, domain string) string { return domain }

// Dir is where the template of a key is kept.
func (c *Cache) Dir(key string) string {
	return filepath.Join(c.root, cache.Templates, key)
}

// Find brings a kept template into the run's work directory, reading all of it on the way: copies use what was checked,
// and cannot change what is kept. It returns nil when none is kept.
func (c *Cache) Find(ctx context.Context, key, domain string, disk bool) (*Template, error) {
	if c.root == "" {
		return nil, nil
	}
	dir := c.Dir(key)
	path := filepath.Join(dir, File)
	text, err := storage.ReadFileOfAtMost(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	kept, err := parse(text, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := &Template{Kept: kept, RAM: c.files.Path(domain + RAMSuffix), From: "kept in " + dir}
	if disk {
		t.Disk = c.files.Path(domain + DiskSuffix)
	}
	var state bytes.Buffer
	for name, to := range t.files() {
		if err := c.unpack(ctx, filepath.Join(dir, name), to, kept.Files[name]); err != nil {
			return nil, err
		}
	}
	if err := copySealed(ctx, &state, filepath.Join(dir, StateFile), kept.Files[StateFile]); err != nil {
		return nil, err
	}
	t.State = state.Bytes()
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // who may not write to the cache leaves it as it is
	return t, nil
}

// unpack copies one file of a kept template to where QEMU may write to it.
func (c *Cache) unpack(ctx context.Context, from, to string, seal Seal) error {
	_, err := c.files.File(filepath.Base(to), func(file *os.File) error {
		to := storage.Sparse(file)
		if err := copySealed(ctx, to, from, seal); err != nil {
			return err
		}
		return to.End()
	})
	return err
}

// Keep writes a template to the cache, whole or not at all, and returns where; "" without a cache. What was kept
// under this key is replaced.
func (c *Cache) Keep(ctx context.Context, t *Template, key string) (string, error) {
	if c.root == "" {
		return "", nil
	}
	dir := c.Dir(key)
	root := filepath.Dir(dir)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	written, err := cache.Write(c.root)
	if err != nil {
		return "", err
	}
	defer written()
	fresh, err := os.MkdirTemp(root, cache.NewTemplate)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	t.Kept.Schema, t.Kept.Key, t.Kept.Files = Schema, key, map[string]Seal{}
	for name, from := range t.files() {
		if t.Kept.Files[name], err = pack(ctx, from, filepath.Join(fresh, name)); err != nil {
			return "", err
		}
	}
	t.Kept.Files[StateFile] = SealOf(t.State)
	text, err := json.MarshalIndent(t.Kept, "", "\t")
	if err != nil {
		return "", err
	}
	err = errors.Join(os.WriteFile(filepath.Join(fresh, StateFile), t.State, 0o644),
		os.WriteFile(filepath.Join(fresh, File), append(text, '\n'), 0o644), os.Chmod(fresh, 0o755))
	if err != nil {
		return "", err
	}
	// Another run may have been faster: its template is as good, and may be being read.
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return "", err
	}
	return dir, removeStale(root, key)
}

func (c *Cache) Discard(_ context.Context, key string) error {
	if c.root == "" {
		return nil
	}
	return os.RemoveAll(c.Dir(key))
}

// pack copies one file of a template into the cache and returns how it is.
func pack(ctx context.Context, from, to string) (Seal, error) {
	in, err := os.Open(from)
	if err != nil {
		return Seal{}, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return Seal{}, err
	}
	sum, whole := sha256.New(), storage.Sparse(out)
	n, err := io.Copy(io.MultiWriter(sum, whole), storage.Until(ctx, in))
	if err == nil {
		err = whole.End()
	}
	return Seal{n, hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, out.Close())
}

// copySealed copies a kept file and reports one that is not as it was sealed.
func copySealed(ctx context.Context, to io.Writer, path string, seal Seal) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	var sum hash.Hash = sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, to), storage.Until(ctx, io.LimitReader(in, seal.Size+1)))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if n != seal.Size || hex.EncodeToString(sum.Sum(nil)) != seal.SHA256 {
		return fmt.Errorf("%s is damaged: %d bytes, and not those that were kept", path, n)
	}
	return nil
}

// removeStale removes templates of the same image and architecture that nobody has used for long, and what is left of
// writing some.
func removeStale(root, key string) error {
	kind := key[:strings.LastIndexByte(key, '-')+1]
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		age := time.Since(info.ModTime())
		if strings.HasPrefix(e.Name(), kind) && e.Name() != key && age > staleTemplate || strings.HasPrefix(e.Name(), cache.NewTemplate) && age > leftBehind {
			errs = append(errs, os.RemoveAll(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(errs...)
}
