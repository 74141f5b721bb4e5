package vmimages

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// A moduleTree is the modules of a kernel package by name, with dashes written as underscores, as the kernel does.
type moduleTree struct {
	files   map[string]string // name -> path of its .ko file
	builtin map[string]bool   // names of what is a module elsewhere and is part of this kernel
}

// scanModules lists the modules under dir, the package's lib/modules/RELEASE. builtin is the text of modules.builtin.
func scanModules(dir string, builtin []byte) (moduleTree, error) {
	t := moduleTree{files: map[string]string{}, builtin: map[string]bool{}}
	for _, line := range strings.Fields(string(builtin)) {
		t.builtin[moduleName(line)] = true
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type().IsRegular() && strings.Contains(d.Name(), ".ko"):
			t.files[moduleName(path)] = path
		}
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("list kernel modules: %w", err)
	}
	return t, nil
}

func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// loadOrder returns the files of the wanted modules and of all that they depend on, each after what it depends on.
func (t moduleTree) loadOrder(wanted []string) ([]string, error) {
	order, err := dependencyOrder(wanted, func(name string) (needs []string, err error) {
		file, ok := t.files[name]
		switch {
		case t.builtin[name]:
			return nil, errBuiltin
		case !ok:
			return nil, errors.New("the kernel package has no such module")
		case !strings.HasSuffix(file, ".ko"):
			return nil, fmt.Errorf("%s is compressed; only plain .ko files can be loaded here", filepath.Base(file))
		}
		info, err := readModinfo(file)
		if err != nil {
			return nil, err
		}
		for _, soft := range info.softdeps {
			if t.files[soft] != "" && !t.builtin[soft] { // may be missing, by its definition
				needs = append(needs, soft)
			}
		}
		return append(needs, info.depends...), nil
	})
	if err != nil {
		return nil, err
	}
	for i, name := range order {
		order[i] = t.files[name]
	}
	return order, nil
}

// errBuiltin is returned by a needs function for a module that is part of the kernel and is not loaded.
var errBuiltin = errors.New("built in")

// dependencyOrder sorts the wanted names and what they need, transitively, so that each comes after what it needs;
// otherwise in the order in which they are named. It reports what is missing, and cycles, with the way there.
func dependencyOrder(wanted []string, needs func(name string) ([]string, error)) ([]string, error) {
	var order, way []string
	done := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		name = strings.ReplaceAll(name, "-", "_")
		if done[name] {
			return nil
		}
		if slices.Contains(way, name) {
			return fmt.Errorf("kernel modules need each other: %s", strings.Join(append(way, name), " -> "))
		}
		way = append(way, name)
		defer func() { way = way[:len(way)-1] }()
		dependencies, err := needs(name)
		if errors.Is(err, errBuiltin) {
			done[name] = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("kernel module %s: %w", strings.Join(way, " -> "), err)
		}
		for _, d := range dependencies {
			if err := visit(d); err != nil {
				return err
			}
		}
		done[name] = true
		order = append(order, name)
		return nil
	}
	for _, name := range wanted {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// modinfo is what a module says of itself in its .modinfo section.
type modinfo struct {
	depends  []string
	softdeps []string // to be loaded before it, where they exist
	vermagic string
}

func readModinfo(file string) (modinfo, error) {
	f, err := elf.Open(file)
	if err != nil {
		return modinfo{}, fmt.Errorf("read module %s: %w", filepath.Base(file), err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return modinfo{}, fmt.Errorf("read module %s: it has no .modinfo section", filepath.Base(file))
	}
	data, err := section.Data()
	if err != nil {
		return modinfo{}, fmt.Errorf("read .modinfo of module %s: %w", filepath.Base(file), err)
	}
	return parseModinfo(data), nil
}

// parseModinfo reads key=value strings, each ended by a zero byte (Linux, include/linux/moduleparam.h: MODULE_INFO).
func parseModinfo(data []byte) modinfo {
	var m modinfo
	for entry := range strings.SplitSeq(string(data), "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "depends":
			for name := range strings.SplitSeq(value, ",") {
				if name != "" {
					m.depends = append(m.depends, name)
				}
			}
		case "softdep": // "pre: a b post: c"
			pre := false
			for _, word := range strings.Fields(value) {
				switch {
				case strings.HasSuffix(word, ":"):
					pre = word == "pre:"
				case pre:
					m.softdeps = append(m.softdeps, strings.ReplaceAll(word, "-", "_"))
				}
			}
		case "vermagic":
			m.vermagic = value
		}
	}
	return m
}
