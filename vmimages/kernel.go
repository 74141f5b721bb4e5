package vmimages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A kernel is a stock kernel of the same build as installed headers.
type kernel struct {
	release string  // as uname -r says it
	headers string  // directory to build modules in
	deb     string  // path of the package's file in the cache
	pkg     Package // the package
}

// chooseKernel finds the newest installed headers that the recipe's pattern matches, and names the kernel package of
// the same version: modules are only loaded by the kernel they were built for.
func chooseKernel(ctx context.Context, r kernelRecipe, debs string) (kernel, error) {
	found, err := installedPackages(ctx, r.headersPackage())
	if err != nil {
		return kernel{}, err
	}
	var k kernel
	for _, p := range found {
		release := strings.TrimPrefix(p.Name, "linux-headers-")
		headers := filepath.Join("/lib/modules", release, "build")
		if _, err := os.Stat(filepath.Join(headers, "Makefile")); err != nil {
			continue
		}
		if k.release == "" || compareReleases(release, k.release) > 0 {
			k = kernel{release: release, headers: headers, pkg: Package{Name: "linux-image-" + release, Version: p.Version}}
		}
	}
	if k.release == "" {
		return kernel{}, fmt.Errorf("no kernel headers are installed that match %s; run `apt-get install %s`",
			r.headersPackage(), strings.Replace(r.headersPackage(), "*-", "", 1))
	}
	// The name that apt-get gives the file: a colon of the version's epoch is escaped.
	k.deb = filepath.Join(debs, fmt.Sprintf("%s_%s_amd64.deb", k.pkg.Name, strings.ReplaceAll(k.pkg.Version, ":", "%3a")))
	if sum, err := os.ReadFile(k.deb + ".sha256"); err == nil {
		k.pkg.SHA256 = strings.TrimSpace(string(sum))
	}
	return k, nil
}

// compareReleases orders kernel releases by their numbers: 6.1.0-9 before 6.1.0-10.
func compareReleases(a, b string) int {
	for a != "" && b != "" {
		na, ra := leadingNumber(a)
		nb, rb := leadingNumber(b)
		switch {
		case na != "" && nb != "":
			if len(na) != len(nb) {
				return len(na) - len(nb)
			}
			if c := strings.Compare(na, nb); c != 0 {
				return c
			}
			a, b = ra, rb
		case a[0] != b[0]:
			return int(a[0]) - int(b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return len(a) - len(b)
}

// leadingNumber splits the digits that s begins with, zeros in front left out, from the rest.
func leadingNumber(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	digits = s[:len(s)-len(rest)]
	if trimmed := strings.TrimLeft(digits, "0"); trimmed != "" || digits == "" {
		return trimmed, rest
	}
	return "0", rest
}

// fetchKernel downloads the kernel's package unless it is in the cache whole, and fills in its SHA-256.
func fetchKernel(ctx context.Context, k *kernel, step func(string)) error {
	if sum, _, err := hashFile(k.deb); err == nil && sum == k.pkg.SHA256 {
		return nil
	}
	step("download " + k.pkg.Name + " " + k.pkg.Version)
	debs := filepath.Dir(k.deb)
	if err := makeDir(debs); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(debs, tempPrefix)
	if err != nil {
		return fmt.Errorf("download the kernel: %w", err)
	}
	defer os.RemoveAll(dir)
	// apt-get checks the archive's signature and the file's hash.
	_, err = command{dir: dir, args: []string{"apt-get", "-q", "download", k.pkg.Name + "=" + k.pkg.Version}}.run(ctx)
	if failed := (*toolError)(nil); errors.As(err, &failed) {
		return fmt.Errorf("download the kernel of the installed headers: %w\nIf the package lists are missing or old, run "+
			"`apt-get update`; if the archive has a newer kernel by now, upgrade the headers too: "+
			"`apt-get install linux-headers-%s`", err, strings.TrimLeft(k.release, "0123456789.-"))
	}
	if err != nil {
		return err
	}
	got := filepath.Join(dir, filepath.Base(k.deb))
	sum, _, err := hashFile(got)
	if err != nil {
		return fmt.Errorf("apt-get downloaded another file than was asked for: %w", err)
	}
	// The sum goes first: a package without one is downloaded again, and one that does not match it, too.
	if err := writeFile(k.deb+".sha256", []byte(sum+"\n")); err != nil {
		return err
	}
	if err := os.Chmod(got, 0o644); err != nil {
		return err
	}
	k.pkg.SHA256 = sum
	return os.Rename(got, k.deb)
}

// An unpacked kernel package.
type unpacked struct {
	vmlinuz string
	modules moduleTree
	config  map[string]string // CONFIG_… as the kernel was built; what is not set is absent
}

// unpackKernel unpacks the package into dir.
func unpackKernel(ctx context.Context, k kernel, dir string) (unpacked, error) {
	if err := makeDir(dir); err != nil {
		return unpacked{}, err
	}
	if _, err := (command{args: []string{"dpkg-deb", "-x", k.deb, dir}}).run(ctx); err != nil {
		return unpacked{}, fmt.Errorf("unpack %s: %w", filepath.Base(k.deb), err)
	}
	u := unpacked{vmlinuz: filepath.Join(dir, "boot", "vmlinuz-"+k.release)}
	if _, err := os.Stat(u.vmlinuz); err != nil {
		return unpacked{}, fmt.Errorf("package %s holds no kernel: %w", k.pkg.Name, err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "boot", "config-"+k.release))
	if err != nil {
		return unpacked{}, fmt.Errorf("package %s holds no kernel configuration: %w", k.pkg.Name, err)
	}
	u.config = parseConfig(config)
	tree := filepath.Join(dir, "lib", "modules", k.release)
	if _, err := os.Stat(tree); err != nil {
		tree = filepath.Join(dir, "usr", "lib", "modules", k.release) // where Debian puts it since 13
	}
	builtin, err := os.ReadFile(filepath.Join(tree, "modules.builtin"))
	if err != nil {
		return unpacked{}, fmt.Errorf("package %s: %w", k.pkg.Name, err)
	}
	u.modules, err = scanModules(filepath.Join(tree, "kernel"), builtin)
	return u, err
}

// parseConfig reads a kernel's .config. Strings keep their quotes.
func parseConfig(data []byte) map[string]string {
	config := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(key, "CONFIG_") {
			config[key] = value
		}
	}
	return config
}

// configFacts returns the options that the recipe names, "n" for one that is not set, and reports every required one
// that has another value.
func configFacts(r kernelRecipe, config map[string]string) (map[string]string, error) {
	facts := map[string]string{}
	var wrong []error
	keys := slices.Concat(slices.Collect(maps.Keys(r.Require)), r.Record)
	for _, options := range r.Needs {
		for option := range options {
			if strings.HasPrefix(option, lsmArgument) {
				option = lsmDefault
			}
			keys = append(keys, option)
		}
	}
	for _, key := range slices.Sorted(slices.Values(keys)) {
		value, ok := config[key]
		if !ok {
			value = "n"
		}
		facts[key] = value
		if want, ok := r.Require[key]; ok && want != value {
			wrong = append(wrong, fmt.Errorf("%s is %s and must be %s", key, value, want))
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("the kernel is not configured as the image needs it: %w", errors.Join(wrong...))
	}
	return facts, nil
}
