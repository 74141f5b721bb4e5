package libvirt

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
)

// The files of a kept template, in <cache>/templates/<key>.
const (
	templatesDir   = "templates"
	templateSchema = 3
	templateFile   = "template.json" // a keptTemplate
	ramFile        = "memory"
	stateFile      = "state"
	templateDisk   = "disk.qcow2"

	maxTemplateFile = 1 << 20          // bytes of templateFile
	staleTemplate   = 24 * time.Hour   // unused for so long, a template of the same kind is removed
	sparseBlock     = 64 << 10         // bytes; blocks of zeros are not written
	newTemplate     = ".new-"          // begins the name of a template that is being written
	leftBehind      = 10 * time.Minute // since when a directory of that name is nobody's any more
)

// A keptTemplate is what is written down of a template.
type keptTemplate struct {
	Schema   int                 `json:"schema"`
	Key      string              `json:"key"`
	Question uint64              `json:"question"` // ID of the request that the guest waits in, on the wall clock
	Door     door                `json:"door"`     // where it waits, on the virtual clock
	Boot     Boot                `json:"boot"`
	Overhead int64               `json:"overhead"` // see Preparation
	Own      int64               `json:"own"`
	Files    map[string]fileSeal `json:"files"` // by name
}

// A fileSeal is how a file must be to be used.
type fileSeal struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

func (p *here) templateDir(key string) string { return filepath.Join(p.cache, templatesDir, key) }

// template brings a kept template into the run's work directory, reading all of it on the way: copies use what was checked,
// and cannot change what is kept. It returns nil when none is kept.
func (p *here) template(ctx context.Context, key string, d domain) (*template, error) {
	if p.cache == "" {
		return nil, nil
	}
	dir := p.templateDir(key)
	path := filepath.Join(dir, templateFile)
	text, err := readFileOfAtMost(path, maxTemplateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	kept, err := parseTemplate(text, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := &template{kept: kept, ram: p.work.Ours(d.name + ramSuffix), from: "kept in " + dir}
	if d.virtual == nil {
		t.disk = p.work.Ours(d.name + diskSuffix)
	}
	var state bytes.Buffer
	for name, to := range t.files() {
		if err := p.unpack(ctx, filepath.Join(dir, name), to, kept.Files[name]); err != nil {
			return nil, err
		}
	}
	if err := copySealed(ctx, &state, filepath.Join(dir, stateFile), kept.Files[stateFile]); err != nil {
		return nil, err
	}
	t.state = state.Bytes()
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // who may not write to the cache leaves it as it is
	return t, nil
}

// files are the paths of a template's files, by their names where it is kept.
func (t *template) files() map[string]string {
	files := map[string]string{ramFile: t.ram}
	if t.disk != "" {
		files[templateDisk] = t.disk
	}
	return files
}

// unpack copies one file of a kept template to where QEMU may write to it.
func (p *here) unpack(ctx context.Context, from, to string, seal fileSeal) error {
	_, err := p.file(filepath.Base(to), func(file *os.File) error {
		sparse := &sparseWriter{file: file}
		if err := copySealed(ctx, sparse, from, seal); err != nil {
			return err
		}
		return file.Truncate(sparse.size)
	})
	return err
}

// keep writes a template to the cache, whole or not at all, and returns where; "" without a cache. What was kept under this
// key is replaced.
func (p *here) keep(ctx context.Context, t *template, key string) (string, error) {
	if p.cache == "" {
		return "", nil
	}
	dir := p.templateDir(key)
	root := filepath.Dir(dir)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	written, err := writeToCache(p.cache)
	if err != nil {
		return "", err
	}
	defer written()
	fresh, err := os.MkdirTemp(root, newTemplate)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh) // does nothing once it was renamed
	t.kept.Schema, t.kept.Key, t.kept.Files = templateSchema, key, map[string]fileSeal{}
	for name, from := range t.files() {
		if t.kept.Files[name], err = packTemplate(ctx, from, filepath.Join(fresh, name)); err != nil {
			return "", err
		}
	}
	t.kept.Files[stateFile] = sealOf(t.state)
	text, err := json.MarshalIndent(t.kept, "", "\t")
	if err != nil {
		return "", err
	}
	err = errors.Join(os.WriteFile(filepath.Join(fresh, stateFile), t.state, 0o644),
		os.WriteFile(filepath.Join(fresh, templateFile), append(text, '\n'), 0o644), os.Chmod(fresh, 0o755))
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

func (p *here) discard(_ context.Context, key string) error {
	if p.cache == "" {
		return nil
	}
	return os.RemoveAll(p.templateDir(key))
}

// packTemplate copies one file of a template into the cache and returns how it is.
func packTemplate(ctx context.Context, from, to string) (fileSeal, error) {
	in, err := os.Open(from)
	if err != nil {
		return fileSeal{}, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fileSeal{}, err
	}
	sum, sparse := sha256.New(), &sparseWriter{file: out}
	n, err := io.Copy(io.MultiWriter(sum, sparse), &cancelReader{ctx, in})
	if err == nil {
		err = out.Truncate(sparse.size)
	}
	return fileSeal{n, hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, out.Close())
}

// copySealed copies a kept file and reports one that is not as it was sealed.
func copySealed(ctx context.Context, to io.Writer, path string, seal fileSeal) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	var sum hash.Hash = sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, to), &cancelReader{ctx, io.LimitReader(in, seal.Size+1)})
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if n != seal.Size || hex.EncodeToString(sum.Sum(nil)) != seal.SHA256 {
		return fmt.Errorf("%s is damaged: %d bytes, and not those that were kept", path, n)
	}
	return nil
}

// parseTemplate reads what was written down of the template of this key.
func parseTemplate(text []byte, key string) (keptTemplate, error) {
	var k keptTemplate
	if err := json.Unmarshal(text, &k); err != nil {
		return keptTemplate{}, fmt.Errorf("not a template: %w", err)
	}
	switch {
	case k.Schema != templateSchema:
		return keptTemplate{}, fmt.Errorf("a template of schema %d, this fleetfall reads %d", k.Schema, templateSchema)
	case k.Key != key:
		return keptTemplate{}, fmt.Errorf("template %s in the place of %s", k.Key, key)
	case k.Files[stateFile].Size > maxState:
		return keptTemplate{}, fmt.Errorf("a template with a state of %d bytes", k.Files[stateFile].Size)
	}
	return k, nil
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
		if strings.HasPrefix(e.Name(), kind) && e.Name() != key && age > staleTemplate || strings.HasPrefix(e.Name(), newTemplate) && age > leftBehind {
			errs = append(errs, os.RemoveAll(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// readFileOfAtMost reads a whole file that has no reason to be larger.
func readFileOfAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}

// A sparseWriter writes a file without its blocks of zeros. The file has to be truncated to size at the end.
type sparseWriter struct {
	file *os.File
	size int64
}

var zeros [sparseBlock]byte

func (w *sparseWriter) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		block := p[done:min(len(p), done+sparseBlock)]
		if !bytes.Equal(block, zeros[:len(block)]) {
			if _, err := w.file.WriteAt(block, w.size); err != nil {
				return done, err
			}
		}
		done += len(block)
		w.size += int64(len(block))
	}
	return len(p), nil
}

// A cancelReader stops reading when ctx ends.
type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
