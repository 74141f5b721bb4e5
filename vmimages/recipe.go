package vmimages

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/fleetfall/fleetfall/agents/architecture"
)

//go:embed *.hcl
var recipeFiles embed.FS

// A recipe says what an image is made of; see tiny.hcl.
type recipe struct {
	Name        string          `hcl:"name,label"`
	NameRange   hcl.Range       `hcl:"name,label_range"`
	Description string          `hcl:"description"`
	Cmdline     []string        `hcl:"cmdline"`
	Kernel      kernelRecipe    `hcl:"kernel,block"`
	Initramfs   initramfsRecipe `hcl:"initramfs,block"`
	Disk        diskRecipe      `hcl:"disk,block"`
	LimitMB     int64           `hcl:"limit_mb"` // of kernel, initramfs and disk together, in 10^6 bytes
	LimitRange  hcl.Range       `hcl:"limit_mb,attr_range"`

	source []byte // the file's text
}

const (
	lsmArgument = "lsm="       // of the kernel's command line: the security modules that are switched on
	lsmDefault  = "CONFIG_LSM" // those that are without it
)

type kernelRecipe struct {
	Package      string              `hcl:"package"` // "linux-image-*-FLAVOUR"; the headers' package matches alike
	PackageRange hcl.Range           `hcl:"package,attr_range"`
	Modules      map[string][]string `hcl:"modules"` // by the guest's link to its host; what they depend on is added
	ModulesRange hcl.Range           `hcl:"modules,attr_range"`
	Require      map[string]string   `hcl:"require,optional"`
	// Needs has, by architecture of the agent, what the kernel is to have, with what people call it: an option that is
	// to be "y", or, as "lsm=NAME", a security module that is to be switched on, by the command line's list of them or
	// else the kernel's own.
	Needs      map[string]map[string]string `hcl:"needs,optional"`
	NeedsRange hcl.Range                    `hcl:"needs,attr_range"`
	Record     []string                     `hcl:"record,optional"`
}

type initramfsRecipe struct {
	Directories    []string  `hcl:"directories"`
	DirectoryRange hcl.Range `hcl:"directories,attr_range"`
	Programs       []string  `hcl:"programs"` // names in agents/guest/programs, without .c
	ProgramsRange  hcl.Range `hcl:"programs,attr_range"`
}

type diskRecipe struct {
	SizeMiB        int64     `hcl:"size_mib"`
	SizeRange      hcl.Range `hcl:"size_mib,attr_range"`
	UUID           string    `hcl:"uuid"`
	UUIDRange      hcl.Range `hcl:"uuid,attr_range"`
	HashSeed       string    `hcl:"hash_seed"` // of hashed directories, a UUID
	HashSeedRange  hcl.Range `hcl:"hash_seed,attr_range"`
	ContentVersion uint64    `hcl:"content_version"`
}

const (
	minDiskMiB = 8 // ext4 with a journal
	maxDiskMiB = 4096
)

// Names lists the images there are recipes for, sorted.
func Names() []string { return recipesIn(recipeFiles) }

func recipesIn(recipes fs.FS) []string {
	files, err := fs.Glob(recipes, "*.hcl")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f, ".hcl")
	}
	return names
}

// loadRecipe reads the recipe of this name. programs are the guest programs there are sources of.
func loadRecipe(recipes fs.FS, name string, programs []string) (*recipe, error) {
	file := name + ".hcl"
	src, err := fs.ReadFile(recipes, file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, fmt.Errorf("there is no image %q; there is: %s", name, strings.Join(recipesIn(recipes), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read the recipe of image %q: %w", name, err)
	}
	r, diags := parseRecipe("vmimages/"+file, src, programs)
	if diags.HasErrors() {
		return nil, fmt.Errorf("recipe of image %q: %w", name, diags)
	}
	return r, nil
}

// parseRecipe reads a recipe and reports all that is wrong with it.
func parseRecipe(filename string, src []byte, programs []string) (*recipe, hcl.Diagnostics) {
	f, diags := hclparse.NewParser().ParseHCL(src, filename)
	if diags.HasErrors() {
		return nil, diags
	}
	var file struct {
		Image recipe `hcl:"image,block"`
	}
	if diags = gohcl.DecodeBody(f.Body, nil, &file); diags.HasErrors() {
		return nil, inOrder(diags)
	}
	r := &file.Image
	r.source = src
	return r, r.check(strings.TrimSuffix(path.Base(filename), ".hcl"), programs)
}

var (
	packagePattern = regexp.MustCompile(`^linux-image-\*-[a-z0-9-]+$`)
	plainName      = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	uuidPattern    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// links are the ways in which a guest may reach its host, see agents/guest.
func links() []string { return []string{"mailbox", "port"} }

func (r *recipe) check(fileName string, programs []string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	wrong := func(at hcl.Range, summary, format string, args ...any) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at,
		})
	}
	if r.Name != fileName {
		wrong(r.NameRange, "Wrong image name", "An image is named as its file; call it %q.", fileName)
	}
	if !packagePattern.MatchString(r.Kernel.Package) {
		wrong(r.Kernel.PackageRange, "Not a kernel package",
			`The pattern %q must be "linux-image-*-" and a flavour, such as "linux-image-*-cloud-amd64".`, r.Kernel.Package)
	}
	for _, link := range sortedKeys(r.Kernel.Modules) {
		if !slices.Contains(links(), link) {
			wrong(r.Kernel.ModulesRange, "Unknown link", "Guests have no link %q to their host; they have: %s.", link, strings.Join(links(), ", "))
		}
	}
	for _, name := range sortedKeys(r.Kernel.Needs) {
		if !slices.Contains(architecture.Names(), name) {
			wrong(r.Kernel.NeedsRange, "Unknown architecture",
				"There is no architecture %q; there is: %s.", name, strings.Join(architecture.Names(), ", "))
		}
	}
	for _, d := range r.Initramfs.Directories {
		if !plainName.MatchString(d) {
			wrong(r.Initramfs.DirectoryRange, "Not a directory name",
				"%q must be one name in the root directory: lower-case letters, digits, dots and dashes.", d)
		}
	}
	for _, p := range r.Initramfs.Programs {
		if !slices.Contains(programs, p) {
			wrong(r.Initramfs.ProgramsRange, "Unknown program",
				"There is no agents/guest/programs/%s.c; there is: %s.", p, strings.Join(programs, ", "))
		}
	}
	if r.Disk.SizeMiB < minDiskMiB || r.Disk.SizeMiB > maxDiskMiB {
		wrong(r.Disk.SizeRange, "Disk size out of range",
			"The disk has %d MiB; it must have %d to %d.", r.Disk.SizeMiB, minDiskMiB, maxDiskMiB)
	}
	if !uuidPattern.MatchString(r.Disk.UUID) {
		wrong(r.Disk.UUIDRange, "Not a UUID", "%q must be 32 lower-case hexadecimal digits in the form 8-4-4-4-12.", r.Disk.UUID)
	}
	if !uuidPattern.MatchString(r.Disk.HashSeed) {
		wrong(r.Disk.HashSeedRange, "Not a UUID", "%q must be 32 lower-case hexadecimal digits in the form 8-4-4-4-12.", r.Disk.HashSeed)
	}
	if r.LimitMB < 1 {
		wrong(r.LimitRange, "Limit out of range", "The limit is %d MB; it must be at least 1.", r.LimitMB)
	}
	return inOrder(diags)
}

// headersPackage is the pattern of the package that modules for the kernel are built against.
func (k kernelRecipe) headersPackage() string {
	return "linux-headers-" + strings.TrimPrefix(k.Package, "linux-image-")
}

// inOrder sorts diagnostics by their place in the file: gohcl finds them in the order of a map.
func inOrder(diags hcl.Diagnostics) hcl.Diagnostics {
	start := func(d *hcl.Diagnostic) int {
		if d.Subject == nil {
			return 0
		}
		return d.Subject.Start.Byte
	}
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		return cmp.Or(cmp.Compare(start(a), start(b)), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
	return diags
}
