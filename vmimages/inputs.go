package vmimages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

//go:embed *.go
var builderFiles embed.FS

// sourceFiles returns every file of fsys by its path, tests left out: they are in no image.
func sourceFiles(fsys fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read embedded sources: %w", err)
	}
	return files, nil
}

// guestPrograms lists the small programs there are sources of, sorted.
func guestPrograms(sources map[string][]byte) []string {
	var names []string
	for name := range sources {
		if dir, file := path.Split(name); dir == "guest/programs/" && strings.HasSuffix(file, ".c") {
			names = append(names, strings.TrimSuffix(file, ".c"))
		}
	}
	slices.Sort(names)
	return names
}

// digestOf is the digest of an image's inputs: SHA-256 of them as a JSON object with sorted keys.
func digestOf(inputs map[string]string) string {
	data, err := json.Marshal(inputs)
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return hashBytes(data)
}

func hashBytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// written are the inputs that somebody has written: the recipe, the sources of what runs in the guest, and the content.
func (b *builder) written() map[string]string {
	in := map[string]string{inputRecipe: hashBytes(b.recipe.source), inputContent: hashBytes(b.content)}
	for name, data := range b.sources {
		in[inputSource+name] = hashBytes(data)
	}
	return in
}

// Names of the inputs that somebody has written, in a lock's list of all.
const (
	inputRecipe  = "recipe"
	inputContent = "content"
	inputSource  = "source " // and the path of one
)

// Sources is the digest of what somebody has written of this image: its recipe, the sources of what runs in the guest,
// and the content. Unlike Digest it is the same on any machine, whatever its tools and packages.
func (l Lock) Sources() string {
	in := maps.Clone(l.Inputs)
	maps.DeleteFunc(in, func(name, _ string) bool {
		return name != inputRecipe && name != inputContent && !strings.HasPrefix(name, inputSource)
	})
	return digestOf(in)
}

// Sources is what Lock.Sources of the image would say if it was built now.
func Sources(name string, o Options) (string, error) {
	b, err := newBuilder(name, o)
	if err != nil {
		return "", err
	}
	return digestOf(b.written()), nil
}

// inputs names everything that an image depends on: the recipe, every source, the builder itself, the content, the
// kernel and the tools.
func (b *builder) inputs(k kernel, tools []Tool, packages []Package) (map[string]string, error) {
	in := b.written()
	in["kernel release"] = k.release
	own, err := sourceFiles(builderFiles)
	if err != nil {
		return nil, err
	}
	for name, data := range own {
		in["builder "+name] = hashBytes(data)
	}
	for _, t := range tools {
		in["tool "+t.Name] = t.Version
	}
	for _, p := range packages {
		in["package "+p.Name] = strings.TrimSpace(p.Version + " " + p.SHA256)
	}
	return in, nil
}

// toolVersions asks each tool whose output ends up in an image for its version.
func toolVersions(ctx context.Context) ([]Tool, error) {
	ask := []struct {
		name string
		args []string
	}{
		{"clang", []string{"--version"}},
		{"gcc", []string{"--version"}},
		{"go", []string{"version"}},
		{"ld", []string{"--version"}},
		{"mke2fs", []string{"-V"}},
	}
	var tools []Tool
	for _, a := range ask {
		out, err := command{env: goEnvironment(), args: append([]string{a.name}, a.args...)}.run(ctx)
		if err != nil {
			return nil, err
		}
		line, _, _ := bytes.Cut([]byte(out), []byte("\n"))
		tools = append(tools, Tool{a.name, strings.TrimSpace(string(line))})
	}
	return tools, nil
}

// installedPackages returns those of the named packages (patterns as dpkg-query takes them) that are installed.
func installedPackages(ctx context.Context, patterns ...string) ([]Package, error) {
	args := append([]string{"dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"}, patterns...)
	out, err := command{args: args}.run(ctx)
	if failed := (*toolError)(nil); errors.As(err, &failed) {
		out = failed.output // it fails when one pattern matches nothing, and lists the others all the same
	} else if err != nil {
		return nil, err
	}
	var found []Package
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "installed" {
			found = append(found, Package{Name: f[1], Version: f[2]})
		}
	}
	slices.SortFunc(found, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}
