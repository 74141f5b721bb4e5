// Package vmimages builds, caches and locks the images that hosts boot: a stock distribution kernel, an initramfs with
// the guest program and the agents, and a disk with the content that the agent is shipped with.
//
// An image is named by the digest of all that goes into it, so that a build whose inputs are there already does
// nothing, and the same inputs give the same bytes on any machine. Its lock file says what it was made of, and holds
// the digest of each file. The cache is laid out as follows:
//
//	lock                                     held while something is built
//	debs/PACKAGE_VERSION_amd64.deb           downloaded packages, each with a .sha256 file beside it
//	images/NAME/DIGEST12/kernel, initramfs, disk.raw, image.lock.json
//	images/NAME/.tmp-*                       a build under way, or what is left of one that was killed: see Leftovers
package vmimages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// An Image is one whole build. All paths are absolute, and the files are readable by every user.
type Image struct {
	Name          string   // of the recipe
	Digest        string   // of all inputs, hexadecimal SHA-256
	Kernel        string   // path of the bzImage
	Initrd        string   // path of the initramfs, an uncompressed cpio archive
	Disk          string   // path of the raw ext4 disk, sparse; never written to: hosts get overlays
	DiskSize      int64    // bytes
	KernelRelease string   // as uname -r says it
	Cmdline       []string // kernel arguments that every boot has
	Bytes         int64    // that the kernel, the initramfs and the disk take on the cache's file system
	Lock          Lock
}

// Options are where and how an image is built.
type Options struct {
	Cache string            // directory; made when missing; DefaultCache() when empty
	Log   func(step string) // told what is about to be done, a line each; may be nil

	// Sources of what runs in the guest, with the folder agents at its root; agents.Sources() when nil. Another agent of
	// one's own, or a mended one, is an image of its own.
	Sources fs.FS

	// Recipes has that of the image, as NAME.hcl; those that are shipped when nil.
	Recipes fs.FS
}

// errNotBuilt is wrapped by Find's error when there is no whole build of an image.
var errNotBuilt = errors.New("image is not built")

// DefaultCache is where images are kept: /var/cache/fleetfall for root, whose hypervisor runs as another user and must
// be able to read them, else fleetfall in the user's cache directory.
func DefaultCache() string {
	if os.Geteuid() == 0 {
		return "/var/cache/fleetfall"
	}
	dir, err := os.UserCacheDir() // $XDG_CACHE_HOME, or ~/.cache
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("fleetfall-%d", os.Getuid()))
	}
	return filepath.Join(dir, "fleetfall")
}

// Build returns the named image for this machine's tools and kernel headers, building what is not in the cache. A
// build is published whole or not at all; one whose files were damaged since is built again.
func Build(ctx context.Context, name string, o Options) (Image, error) {
	b, err := newBuilder(name, o)
	if err != nil {
		return Image{}, err
	}
	img, err := b.build(ctx)
	if err != nil {
		return Image{}, fmt.Errorf("build image %s: %w", name, err)
	}
	return img, nil
}

// Find returns the newest whole build of an image: that which Build returned last. It looks at the files' sizes, not
// at their content: see verify. Its error wraps errNotBuilt when there is none.
func Find(cache, name string) (Image, error) {
	images, err := builds(cache, name)
	if err != nil {
		return Image{}, err
	}
	if len(images) == 0 {
		return Image{}, fmt.Errorf("%w: %s is not in %s; run `fleetfall image build %s`", errNotBuilt, name, cache, name)
	}
	return images[0], nil
}

// List returns every whole build in the cache, by name, newest first. A cache that does not exist holds none.
func List(cache string) ([]Image, error) {
	dirs, err := os.ReadDir(filepath.Join(cache, imagesDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var all []Image
	for _, d := range dirs { // sorted by name
		if !plainName.MatchString(d.Name()) {
			continue
		}
		images, err := builds(cache, d.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, images...)
	}
	return all, nil
}

// verify reads all of an image's files and reports the first that is not what the lock file says.
func verify(img Image) error {
	if digest := digestOf(img.Lock.Inputs); digest != img.Lock.Digest {
		return fmt.Errorf("image %s: %s: its inputs have digest %.12s, not %.12s", img.Name, lockFile, digest, img.Lock.Digest)
	}
	dir := filepath.Dir(img.Kernel)
	for _, a := range img.Lock.Artefacts {
		sum, size, err := hashFile(filepath.Join(dir, a.File))
		switch {
		case err != nil:
			return fmt.Errorf("verify image %s: %w", img.Name, err)
		case size != a.Size:
			return fmt.Errorf("image %s: %s has %d bytes, not %d", img.Name, filepath.Join(dir, a.File), size, a.Size)
		case sum != a.SHA256:
			return fmt.Errorf("image %s: %s has SHA-256 %s, not %s", img.Name, filepath.Join(dir, a.File), sum, a.SHA256)
		}
	}
	return nil
}

// builds returns the whole builds of one image, newest first. What is no whole build is passed over: Build removes it.
func builds(cache, name string) ([]Image, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, fmt.Errorf("find the image cache: %w", err)
	}
	if !plainName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be an image's name: lower-case letters, digits, dots and dashes", name)
	}
	dir := filepath.Join(cache, imagesDir, name)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list builds of image %s: %w", name, err)
	}
	type build struct {
		Image
		used time.Time
	}
	var found []build
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.IsDir() || e.Name()[0] == '.' {
			continue
		}
		if img, err := open(filepath.Join(dir, e.Name())); err == nil {
			found = append(found, build{img, info.ModTime()})
		}
	}
	slices.SortStableFunc(found, func(a, b build) int { return b.used.Compare(a.used) })
	images := make([]Image, len(found))
	for i, f := range found {
		images[i] = f.Image
	}
	return images, nil
}
