package vmimages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The files of an image, in its directory.
const (
	kernelFile = "kernel"
	initrdFile = "initramfs"
	diskFile   = "disk.raw"
	lockFile   = "image.lock.json"
)

const (
	lockSchema   = 3       // what architectures need
	digestLetter = 12      // hexadecimal digits of the digest that name an image's directory
	maxLockBytes = 1 << 20 // of a lock file
)

// A Lock says what an image was made of. It holds no time and no path of the machine, so that it repeats too.
type Lock struct {
	Schema         int               `json:"schema"` // lockSchema
	Name           string            `json:"name"`
	Digest         string            `json:"digest"` // SHA-256 of the inputs
	KernelRelease  string            `json:"kernel_release"`
	Cmdline        []string          `json:"cmdline"`
	ContentVersion uint64            `json:"content_version"` // of the channel file on the disk
	Packages       []Package         `json:"packages"`        // sorted by name
	Tools          []Tool            `json:"tools"`           // sorted by name
	KernelConfig   map[string]string `json:"kernel_config"`   // "n" for what is not set
	// Needs has what architectures of the agent need of the kernel, see kernelRecipe.
	Needs     map[string]map[string]string `json:"needs"`
	Modules   map[string][]string          `json:"modules"` // paths in the image by the guest's link to its host, in load order
	Artefacts []Artefact                   `json:"artefacts"`
	Inputs    map[string]string            `json:"inputs"` // everything the digest is made of
}

// CanRun returns an error that names all that the image's kernel lacks for an architecture of the agent, if it lacks anything.
func (l Lock) CanRun(architecture string) error {
	var lacks []string
	for _, option := range sortedKeys(l.Needs[architecture]) {
		if has, found := l.kernelHas(option); !has {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", l.Needs[architecture][option], found))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("image %s cannot run hosts with architecture %q: its kernel %s lacks %s", l.Name, architecture, l.KernelRelease,
		strings.Join(lacks, ", "))
}

// kernelHas tells whether the image's kernel has a thing that kernelRecipe.Needs names, and what decided that.
func (l Lock) kernelHas(option string) (has bool, found string) {
	module, ok := strings.CutPrefix(option, lsmArgument)
	if !ok {
		return l.KernelConfig[option] == "y", fmt.Sprintf("%s is %q", option, l.KernelConfig[option])
	}
	modules := strings.Trim(l.KernelConfig[lsmDefault], `"`)
	found = fmt.Sprintf("%s is %q", lsmDefault, modules)
	for _, argument := range l.Cmdline { // the last counts, and in the default's place
		if list, ok := strings.CutPrefix(argument, lsmArgument); ok {
			modules, found = list, fmt.Sprintf("its command line says %q", argument)
		}
	}
	return slices.Contains(strings.Split(modules, ","), module), found
}

// A Package is a Debian package that went into an image.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256,omitempty"` // of the .deb file; empty for what was used as installed
}

// A Tool is a program that made a part of an image.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"` // the line it says of itself
}

// An Artefact is one file of an image.
type Artefact struct {
	File   string `json:"file"` // name in the image's directory
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// parseLock reads a lock file.
func parseLock(data []byte) (Lock, error) {
	var l Lock
	if err := json.Unmarshal(data, &l); err != nil {
		return Lock{}, fmt.Errorf("not a lock file: %w", err)
	}
	if l.Schema != lockSchema {
		return Lock{}, fmt.Errorf("lock file has schema %d; this fleetfall reads schema %d", l.Schema, lockSchema)
	}
	have := map[string]bool{}
	for _, a := range l.Artefacts {
		if a.File != filepath.Base(a.File) || a.Size < 0 || len(a.SHA256) != hex.EncodedLen(sha256.Size) {
			return Lock{}, fmt.Errorf("lock file has an impossible artefact %q", a.File)
		}
		have[a.File] = true
	}
	for _, file := range artefactFiles() {
		if !have[file] {
			return Lock{}, fmt.Errorf("lock file does not list %s", file)
		}
	}
	return l, nil
}

func artefactFiles() []string { return []string{diskFile, initrdFile, kernelFile} }

// open returns the image in dir when it looks whole: its lock file is right, and each file is there at its size.
func open(dir string) (Image, error) {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return Image{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLockBytes))
	if err != nil {
		return Image{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	lock, err := parseLock(data)
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", f.Name(), err)
	}
	var bytes, disk int64
	for _, a := range lock.Artefacts {
		info, err := os.Stat(filepath.Join(dir, a.File))
		if err != nil {
			return Image{}, err
		}
		if info.Size() != a.Size {
			return Image{}, fmt.Errorf("%s has %d bytes, not %d", filepath.Join(dir, a.File), info.Size(), a.Size)
		}
		bytes += allocated(info)
		if a.File == diskFile {
			disk = a.Size
		}
	}
	if len(lock.Digest) < digestLetter || lock.Digest[:digestLetter] != filepath.Base(dir) {
		return Image{}, fmt.Errorf("%s is the lock file of another build: digest %q", f.Name(), lock.Digest)
	}
	return Image{
		Name:          lock.Name,
		Digest:        lock.Digest,
		Kernel:        filepath.Join(dir, kernelFile),
		Initrd:        filepath.Join(dir, initrdFile),
		Disk:          filepath.Join(dir, diskFile),
		DiskSize:      disk,
		KernelRelease: lock.KernelRelease,
		Cmdline:       lock.Cmdline,
		Bytes:         bytes,
		Lock:          lock,
	}, nil
}

// allocated is how many bytes a file takes on its file system, holes left out.
func allocated(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512 // st_blocks counts these units on every file system: stat(2)
	}
	return info.Size()
}

func lockArtefacts(dir string) ([]Artefact, error) {
	var all []Artefact
	for _, file := range artefactFiles() {
		sum, size, err := hashFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		all = append(all, Artefact{File: file, SHA256: sum, Size: size})
	}
	return all, nil
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// writeLock writes an image's lock file, the last of its files.
func writeLock(dir string, l Lock) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the lock file: %w", err)
	}
	return writeFile(filepath.Join(dir, lockFile), append(data, '\n'))
}
