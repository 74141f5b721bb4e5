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

// moduleFile is go.mod of what a guest runs that is written in Go: its sources import the standard library and each other, nothing
// else. The eBPF agent's daemon does, and has a file of its own for it: agents/ebpf/ebpf.mod.
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
	return append(goTarget(), "GOENV=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
}

// goTarget is what go builds for, and with.
func goTarget() []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOEXPERIMENT=", "GOTOOLCHAIN=local", "GOWORK=off",
	}
}

// goModules lets go take modules from where the user has them, or has them from: what is taken is held to the sums of the mod
// file, so that it does not matter.
func goModules(modFile string) []string {
	env := append(goTarget(), "GOFLAGS=-mod=readonly -modfile="+modFile)
	for _, name := range []string{
		"GOENV", "GOPATH", "GOMODCACHE", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// temp is where tools put their temporary files. One that is killed leaves them, and there they go with the rest of
// the build.
func (c *compiler) temp() string { return filepath.Join(c.scratch, "temp") }

func (c *compiler) run(ctx context.Context, cmd command) error {
	cmd.env = append(cmd.env, "TMPDIR="+c.temp())
	_, err := cmd.run(ctx)
	return err
}

// write lays out the sources as in the repository.
func (c *compiler) write() error {
	if err := os.MkdirAll(c.temp(), 0o755); err != nil {
		return err
	}
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
	if err := c.goBuild(ctx, goEnvironment(), "./agents/"+folder, out); err != nil {
		return "", fmt.Errorf("build %s: %w", what, err)
	}
	return out, nil
}

func (c *compiler) goBuild(ctx context.Context, env []string, source, out string) error {
	if os.Getenv("HOME") == "" && os.Getenv("GOCACHE") == "" && os.Getenv("XDG_CACHE_HOME") == "" {
		env = append(env, "GOCACHE="+filepath.Join(c.scratch, "go-build")) // go refuses to work without one
	}
	return c.run(ctx, command{dir: c.scratch, env: env, args: []string{
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, source,
	}})
}

// ebpfAgent builds the eBPF agent's daemon and the object with its programs.
func (c *compiler) ebpfAgent(ctx context.Context) (daemon, object string, err error) {
	c.step("build the eBPF agent")
	object = filepath.Join(c.scratch, "ebpf.o")
	// The kernel's headers for programs lie where the machine's architecture has them: the compiler's target is another.
	err = c.run(ctx, command{dir: c.scratch, env: buildTime(), args: []string{
		"clang", "-O2", "-g", "-target", "bpf", "-mcpu=v3", c.prefixMap(), "-I", "/usr/include/x86_64-linux-gnu",
		"-c", "agents/ebpf/bpf/agent.bpf.c", "-o", object,
	}})
	if err != nil {
		return "", "", fmt.Errorf("build the eBPF agent's programs: %w", err)
	}
	daemon = filepath.Join(c.scratch, "ebpf")
	if err := c.goBuild(ctx, goModules("agents/ebpf/ebpf.mod"), "./agents/ebpf", daemon); err != nil {
		return "", "", fmt.Errorf("build the eBPF agent: %w", err)
	}
	return daemon, object, nil
}

// A cProgram is something built from several folders of C, named as in the folder agents.
type cProgram struct {
	name    string   // of what is built, in messages
	file    string   // that the build makes
	sources []string // folders, which end in a slash, and single files
}

// agentModules are the kernel modules, by their place in the image.
func agentModules() map[string]cProgram {
	return map[string]cProgram{
		"agent/kernel.ko": {"kernel agent", "agentk.ko", []string{"kernel/", "sensor/", "interpreter/"}},
		"agent/hybrid.ko": {"hybrid agent's module", "hybrid.ko", []string{"hybrid/module/", "hybrid/device.h", "sensor/", "interpreter/interpreter.h"}},
	}
}

// agentDaemons are the daemons in C, by their place in the image.
func agentDaemons() map[string]cProgram {
	return map[string]cProgram{
		"agent/hybrid": {"hybrid agent's daemon", "hybrid", []string{"hybrid/daemon/", "hybrid/device.h", "daemon/", "interpreter/"}},
		"agent/user":   {"user agent", "user", []string{"user/", "daemon/", "interpreter/"}},
	}
}

// module builds a kernel module against the headers, from its sources in one directory.
func (c *compiler) module(ctx context.Context, k kernel, m cProgram) (string, error) {
	c.step("build the " + m.name)
	fail := func(err error) (string, error) { return "", fmt.Errorf("build the %s: %w", m.name, err) }
	root := strings.TrimSuffix(m.file, ".ko")
	dir := filepath.Join(c.scratch, "modules", root)
	files := map[string][]byte{"vendor_key.h": vendorKeyHeader(c.key)}
	for _, name := range c.sourcesOf(m) {
		file := path.Base(name)
		if _, twice := files[file]; twice {
			return fail(fmt.Errorf("two sources are named %s", file))
		}
		files[file] = c.sources[name]
	}
	if err := writeTree(dir, files); err != nil {
		return fail(err)
	}
	err := c.run(ctx, command{dir: dir, env: buildTime(), args: []string{
		"make", "-j2", "-C", k.headers, "M=" + dir, "KCFLAGS=-ffile-prefix-map=" + dir + "=" + sourceRoot + "/" + root, "modules",
	}})
	if err != nil {
		return fail(err)
	}
	out := filepath.Join(dir, m.file)
	info, err := readModinfo(out)
	if err != nil {
		return fail(err)
	}
	if release, _, _ := strings.Cut(info.vermagic, " "); release != k.release {
		return fail(fmt.Errorf("it is for kernel %s, not %s", release, k.release))
	}
	if len(info.depends) > 0 {
		return fail(fmt.Errorf("it needs modules that are not loaded before it: %v", info.depends))
	}
	// Debugging sections are ten times the module. Symbols stay: an oops names functions by them.
	if err := c.run(ctx, command{args: []string{"strip", "--strip-debug", out}}); err != nil {
		return fail(err)
	}
	return out, nil
}

// daemon builds a daemon, static: the image has no library.
func (c *compiler) daemon(ctx context.Context, d cProgram) (string, error) {
	c.step("build the " + d.name)
	out := filepath.Join(c.scratch, d.file)
	args := []string{"gcc", "-O2", "-static", "-s", "-Wl,--build-id=none", c.prefixMap(), "-I", "generated", "-o", out}
	included := map[string]bool{}
	for _, name := range c.sourcesOf(d) {
		file := path.Join("agents", name)
		if dir := path.Dir(file); !included[dir] {
			included[dir] = true
			args = append(args, "-I", dir)
		}
		if strings.HasSuffix(file, ".c") {
			args = append(args, file)
		}
	}
	if err := c.run(ctx, command{dir: c.scratch, env: buildTime(), args: args}); err != nil {
		return "", fmt.Errorf("build the %s: %w", d.name, err)
	}
	return out, nil
}

// sourcesOf lists p's sources in the order that it names them, the files right in a folder sorted.
func (c *compiler) sourcesOf(p cProgram) []string {
	var files []string
	for _, source := range p.sources {
		for _, name := range sortedKeys(c.sources) {
			folder, _ := path.Split(name)
			if name == source || folder == source {
				files = append(files, name)
			}
		}
	}
	return files
}

// program builds one of the small programs, which use no library at all.
func (c *compiler) program(ctx context.Context, name string) (string, error) {
	out := filepath.Join(c.scratch, "program-"+name)
	err := c.run(ctx, command{dir: c.scratch, env: buildTime(), args: []string{
		"gcc", "-nostdlib", "-static", "-Os", "-s", "-Wl,--build-id=none", c.prefixMap(), "-o", out,
		"agents/guest/programs/" + name + ".c",
	}})
	if err != nil {
		return "", fmt.Errorf("build program %s: %w", name, err)
	}
	return out, nil
}

func (c *compiler) prefixMap() string { return "-ffile-prefix-map=" + c.scratch + "=" + sourceRoot }

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
