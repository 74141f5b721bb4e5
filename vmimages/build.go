package vmimages

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fleetfall/fleetfall/agents"
	"github.com/fleetfall/fleetfall/agents/content"
)

// A builder builds one image.
type builder struct {
	recipe  *recipe
	cache   string
	sources map[string][]byte // what runs in the guest, by path in the folder agents
	content []byte            // the channel file that the agent is shipped with
	log     func(step string)
}

func newBuilder(name string, o Options) (*builder, error) {
	if o.Sources == nil {
		o.Sources = agents.Sources()
	}
	sources, err := sourceFiles(o.Sources)
	if err != nil {
		return nil, err
	}
	if o.Recipes == nil {
		o.Recipes = recipeFiles
	}
	r, err := loadRecipe(o.Recipes, name, guestPrograms(sources))
	if err != nil {
		return nil, err
	}
	if o.Cache == "" {
		o.Cache = DefaultCache()
	}
	cache, err := filepath.Abs(o.Cache)
	if err != nil {
		return nil, fmt.Errorf("find the image cache: %w", err)
	}
	if !buildablePath.MatchString(cache) {
		return nil, fmt.Errorf("the image cache %q cannot be built in: kernel modules only build where the path has nothing "+
			"but letters, digits and / . _ + @ ~ -; choose another directory", cache)
	}
	body, err := content.Encode(content.Baseline(r.Disk.ContentVersion))
	if err != nil {
		return nil, fmt.Errorf("encode the content of image %s: %w", name, err)
	}
	_, key := content.TestVendorKey()
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return &builder{recipe: r, cache: cache, sources: sources, content: content.Sign(body, key), log: o.Log}, nil
}

// buildablePath matches what make and the kernel's build files take as one word and pass on unchanged.
var buildablePath = regexp.MustCompile(`^[A-Za-z0-9/._+@~-]+$`)

// A plan is all that an image depends on, known before anything is built.
type plan struct {
	kernel   kernel
	tools    []Tool
	packages []Package
	inputs   map[string]string
	digest   string
}

// plan looks at the machine. The digest is empty while the kernel's package was never downloaded.
func (b *builder) plan(ctx context.Context) (plan, error) {
	var p plan
	var err error
	if p.kernel, err = chooseKernel(ctx, b.recipe.Kernel, filepath.Join(b.cache, debsDir)); err != nil {
		return plan{}, err
	}
	if p.tools, err = toolVersions(ctx); err != nil {
		return plan{}, err
	}
	// Modules are compiled by a gcc of the kernel's choice, programs linked with the C library's archive, and BPF
	// programs made with the headers of libbpf and the kernel.
	installed, err := installedPackages(ctx, "binutils", "clang-[0-9]*", "e2fsprogs", "gcc-[0-9]*", "libbpf-dev", "libc6-dev",
		"linux-headers-"+p.kernel.release, "linux-kbuild-*", "linux-libc-dev")
	if err != nil {
		return plan{}, err
	}
	p.packages = append(installed, p.kernel.pkg)
	slices.SortFunc(p.packages, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	if p.kernel.pkg.SHA256 == "" {
		return p, nil
	}
	if p.inputs, err = b.inputs(p.kernel, p.tools, p.packages); err != nil {
		return plan{}, err
	}
	p.digest = digestOf(p.inputs)
	return p, nil
}

func (b *builder) dir() string { return filepath.Join(b.cache, imagesDir, b.recipe.Name) }

// built returns the image of this plan when it is in the cache and whole, and marks it as used last.
func (b *builder) built(p plan) (Image, error) {
	if p.digest == "" {
		return Image{}, errNotBuilt
	}
	dir := filepath.Join(b.dir(), p.digest[:digestLetter])
	img, err := open(dir)
	if err != nil {
		return Image{}, err
	}
	if img.Digest != p.digest {
		return Image{}, fmt.Errorf("%s holds another build", dir)
	}
	if err := verify(img); err != nil {
		return Image{}, err
	}
	now := time.Now()
	_ = os.Chtimes(dir, now, now) // for Find; who may not write to the cache leaves the order as it is
	return img, nil
}

func (b *builder) build(ctx context.Context) (Image, error) {
	p, err := b.plan(ctx)
	if err != nil {
		return Image{}, err
	}
	if img, err := b.built(p); err == nil {
		return img, nil
	}
	release, err := lockCache(ctx, b.cache, b.log)
	if err != nil {
		return Image{}, err
	}
	defer release()
	if err := removeTemps(b.cache); err != nil {
		return Image{}, err
	}
	known := p.kernel.pkg.SHA256
	if err := fetchKernel(ctx, &p.kernel, b.log); err != nil {
		return Image{}, err
	}
	if known == "" || known != p.kernel.pkg.SHA256 {
		if p, err = b.plan(ctx); err != nil {
			return Image{}, err
		}
	}
	if img, err := b.built(p); err == nil { // by who held the lock before
		return img, nil
	}
	if err := makeDir(b.dir()); err != nil {
		return Image{}, err
	}
	temp, err := os.MkdirTemp(b.dir(), tempPrefix)
	if err != nil {
		return Image{}, err
	}
	defer os.RemoveAll(temp) // of no effect once it was published
	if err := os.Chmod(temp, 0o755); err != nil {
		return Image{}, err
	}
	if err := b.make(ctx, p, temp); err != nil {
		return Image{}, err
	}
	final := filepath.Join(b.dir(), p.digest[:digestLetter])
	if err := publish(temp, final); err != nil {
		return Image{}, err
	}
	b.log("built " + final)
	return open(final)
}

// The parts of an image: paths in the scratch directory.
type parts struct {
	guest    string
	agents   map[string]string   // by place in the image
	programs map[string]string   // by name
	modules  map[string][]string // by link, in load order
}

// make makes the image's files in dir.
func (b *builder) make(ctx context.Context, p plan, dir string) error {
	scratch := filepath.Join(dir, "scratch")
	b.log("unpack " + p.kernel.pkg.Name)
	linux, err := unpackKernel(ctx, p.kernel, filepath.Join(scratch, "linux"))
	if err != nil {
		return err
	}
	facts, err := configFacts(b.recipe.Kernel, linux.config)
	if err != nil {
		return err
	}
	parts, err := b.compile(ctx, p.kernel, filepath.Join(scratch, "build"))
	if err != nil {
		return err
	}
	parts.modules = map[string][]string{}
	for link, wanted := range b.recipe.Kernel.Modules {
		if parts.modules[link], err = linux.modules.loadOrder(wanted); err != nil {
			return fmt.Errorf("modules for link %s: %w", link, err)
		}
	}
	b.log("write the initramfs and the disk")
	tree, modules, err := b.fillInitramfs(parts)
	if err != nil {
		return err
	}
	if err := tree.write(filepath.Join(dir, initrdFile)); err != nil {
		return err
	}
	files := map[string][]byte{"content/shipped.bin": b.content, "content/current.bin": b.content}
	if err := makeDisk(ctx, b.recipe.Disk, files, filepath.Join(dir, diskFile), scratch); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(dir, kernelFile), linux.vmlinuz); err != nil {
		return err
	}
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := b.checkSize(dir); err != nil {
		return err
	}
	artefacts, err := lockArtefacts(dir)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return writeLock(dir, Lock{
		Schema: lockSchema, Name: b.recipe.Name, Digest: p.digest, KernelRelease: p.kernel.release,
		Cmdline: b.recipe.Cmdline, ContentVersion: b.recipe.Disk.ContentVersion,
		Packages: p.packages, Tools: p.tools, KernelConfig: facts, Needs: b.recipe.Kernel.Needs, Modules: modules, Artefacts: artefacts, Inputs: p.inputs,
	})
}

// compile makes all that is built from source.
func (b *builder) compile(ctx context.Context, k kernel, scratch string) (parts, error) {
	key, _ := content.TestVendorKey()
	c := &compiler{scratch: scratch, sources: b.sources, key: key, step: b.log}
	p := parts{agents: map[string]string{}, programs: map[string]string{}}
	err := c.write()
	if err != nil {
		return parts{}, fmt.Errorf("write the sources: %w", err)
	}
	modules, daemons := agentModules(), agentDaemons()
	for _, place := range sortedKeys(modules) {
		if p.agents[place], err = c.module(ctx, k, modules[place]); err != nil {
			return parts{}, err
		}
	}
	for _, place := range sortedKeys(daemons) {
		if p.agents[place], err = c.daemon(ctx, daemons[place]); err != nil {
			return parts{}, err
		}
	}
	if p.agents["agent/ebpf"], p.agents["agent/ebpf.o"], err = c.ebpfAgent(ctx); err != nil {
		return parts{}, err
	}
	for _, name := range b.recipe.Initramfs.Programs {
		if p.programs[name], err = c.program(ctx, name); err != nil {
			return parts{}, err
		}
	}
	if p.agents["agent/safe"], err = c.goProgram(ctx, "the safe agent", "safe"); err != nil {
		return parts{}, err
	}
	if p.guest, err = c.goProgram(ctx, "the guest program", "guest"); err != nil {
		return parts{}, err
	}
	return p, nil
}

// checkSize holds the image to its limit, in bytes on the file system.
func (b *builder) checkSize(dir string) error {
	var total int64
	for _, file := range artefactFiles() {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		total += allocated(info)
	}
	if limit := b.recipe.LimitMB * 1e6; total > limit {
		return fmt.Errorf("the image takes %d bytes, more than the %d of its recipe's limit_mb", total, limit)
	}
	return nil
}
