package vmimages

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// sourceRoot is the name that compilers are told the scratch directory has, so that what they make does not depend on
// where it was made.
const sourceRoot = "/usr/src/fleetfall"

// moduleFile is go.mod of what a guest runs that is written in Go: its sources import the standard library and each other, nothing else.
const moduleFile = "module github.com/fleetfall/fleetfall\n\ngo 1.26\n"

// A compiler turns the embedded sources into what runs in a guest, inside one scratch directory.
type compiler struct {
	scratch string
	sources map[string][]byte // by path in the folder agents
	key     ed25519.PublicKey // the vendor's
	step    func(string)
}

// goEnvironment makes go build from what it is given: no workspace, no download, no cgo, no settings of the user.
func goEnvironment() []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOENV=off", "GOEXPERIMENT=", "GOFLAGS=-mod=mod",
		"GOPROXY=off", "GOTOOLCHAIN=local", "GOWORK=off",
	}
}

// write lays out the sources as in the repository.
func (c *compiler) write() error {
	files := map[string][]byte{
		"go.mod":                 []byte(moduleFile),
		"generated/vendor_key.h": vendorKeyHeader(c.key),
	}
	for name, data := range c.sources {
		files[path.Join("agents", name)] = data
	}
	return writeTree(c.scratch, files)
}

// goProgram builds the program of a folder of agents that is written in Go; what says what it is, in words.
func (c *compiler) goProgram(ctx context.Context, what, folder string) (string, error) {
	c.step("build " + what)
	out := filepath.Join(c.scratch, "go-"+folder)
	env := goEnvironment()
	if os.Getenv("HOME") == "" && os.Getenv("GOCACHE") == "" && os.Getenv("XDG_CACHE_HOME") == "" {
		env = append(env, "GOCACHE="+filepath.Join(c.scratch, "go-build")) // go refuses to work without one
	}
	_, err := command{dir: c.scratch, env: env, args: []string{
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, "./agents/" + folder,
	}}.run(ctx)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", what, err)
	}
	return out, nil
}

// kernelAgent builds the agent's kernel module against the headers.
func (c *compiler) kernelAgent(ctx context.Context, k kernel) (string, error) {
	c.step("build the kernel agent")
	dir := filepath.Join(c.scratch, "agentk")
	files := map[string][]byte{"vendor_key.h": vendorKeyHeader(c.key)}
	for name, data := range c.sources {
		folder, file := path.Split(name)
		if folder == "kernel/" || folder == "interpreter/" && isC(file) {
			if _, twice := files[file]; twice {
				return "", fmt.Errorf("build the kernel agent: two sources are named %s", file)
			}
			files[file] = data
		}
	}
	if err := writeTree(dir, files); err != nil {
		return "", err
	}
	_, err := command{dir: dir, env: buildTime(), args: []string{
		"make", "-j2", "-C", k.headers, "M=" + dir, "KCFLAGS=-ffile-prefix-map=" + dir + "=" + sourceRoot + "/agentk", "modules",
	}}.run(ctx)
	if err != nil {
		return "", fmt.Errorf("build the kernel agent: %w", err)
	}
	out := filepath.Join(dir, "agentk.ko")
	info, err := readModinfo(out)
	if err != nil {
		return "", fmt.Errorf("build the kernel agent: %w", err)
	}
	if release, _, _ := strings.Cut(info.vermagic, " "); release != k.release {
		return "", fmt.Errorf("build the kernel agent: it is for kernel %s, not %s", release, k.release)
	}
	if len(info.depends) > 0 {
		return "", fmt.Errorf("build the kernel agent: it needs modules that are not loaded before it: %v", info.depends)
	}
	// Debugging sections are ten times the module. Symbols stay: an oops names functions by them.
	if _, err := (command{args: []string{"strip", "--strip-debug", out}}).run(ctx); err != nil {
		return "", err
	}
	return out, nil
}

// userAgent builds the agent's daemon, static: the image has no library.
func (c *compiler) userAgent(ctx context.Context) (string, error) {
	c.step("build the user agent")
	out := filepath.Join(c.scratch, "user")
	args := []string{"gcc", "-O2", "-static", "-s", "-Wl,--build-id=none", c.prefixMap(),
		"-I", "agents/user", "-I", "agents/interpreter", "-I", "generated", "-o", out}
	_, err := command{dir: c.scratch, env: buildTime(), args: append(args, c.cFiles("user/", "interpreter/")...)}.run(ctx)
	if err != nil {
		return "", fmt.Errorf("build the user agent: %w", err)
	}
	return out, nil
}

// program builds one of the small programs, which use no library at all.
func (c *compiler) program(ctx context.Context, name string) (string, error) {
	out := filepath.Join(c.scratch, "program-"+name)
	_, err := command{dir: c.scratch, env: buildTime(), args: []string{
		"gcc", "-nostdlib", "-static", "-Os", "-s", "-Wl,--build-id=none", c.prefixMap(), "-o", out,
		"agents/guest/programs/" + name + ".c",
	}}.run(ctx)
	if err != nil {
		return "", fmt.Errorf("build program %s: %w", name, err)
	}
	return out, nil
}

func (c *compiler) prefixMap() string { return "-ffile-prefix-map=" + c.scratch + "=" + sourceRoot }

// cFiles lists the C files right in these folders of agents, sorted.
func (c *compiler) cFiles(folders ...string) []string {
	var files []string
	for _, folder := range folders {
		for _, name := range sortedKeys(c.sources) {
			if dir, file := path.Split(name); dir == folder && strings.HasSuffix(file, ".c") {
				files = append(files, path.Join("agents", name))
			}
		}
	}
	return files
}

func isC(file string) bool { return strings.HasSuffix(file, ".c") || strings.HasSuffix(file, ".h") }

// buildTime is the time that tools are told it is, in each of the ways they ask for it: the epoch. mke2fs takes zero
// for not being told.
func buildTime() []string {
	return []string{
		"SOURCE_DATE_EPOCH=1", "E2FSPROGS_FAKE_TIME=1", "KBUILD_BUILD_TIMESTAMP=@1", "KBUILD_BUILD_USER=fleetfall",
		"KBUILD_BUILD_HOST=fleetfall",
	}
}

// vendorKeyHeader is vendor_key.h, by which agents know the vendor's public key.
func vendorKeyHeader(key ed25519.PublicKey) []byte {
	var b strings.Builder
	b.WriteString("/* The vendor's public key, generated. */\n#define FF_VENDOR_KEY {")
	for i, octet := range key {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " 0x%02x", octet)
	}
	b.WriteString(" }\n")
	return []byte(b.String())
}

// writeTree writes files by their path under dir.
func writeTree(dir string, files map[string][]byte) error {
	for _, name := range sortedKeys(files) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
