package tool

import (
	"errors"
	"fmt"
	"go/version"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Prerequisite is what a run needs of the machine: a program or files.
type Prerequisite struct {
	Name string
	Why  string
	How  string // to get it

	files string // a pattern of files; "" when Name is a program
	least string // version of Go
}

// Needed lists what a run needs, the building of its images among it.
func Needed() []Prerequisite {
	program := func(name, pkg, why string) Prerequisite {
		return Prerequisite{Name: name, Why: why, How: "apt-get install " + pkg}
	}
	files := func(name, pattern, pkg, why string) Prerequisite {
		return Prerequisite{Name: name, Why: why, How: "apt-get install " + pkg, files: pattern}
	}
	return []Prerequisite{
		program("qemu-system-x86_64", "qemu-system-x86", "runs the hosts"),
		program("qemu-img", "qemu-utils", "makes the hosts' disks"),
		program("libvirtd", "libvirt-daemon-system", "manages the hosts"),
		{Name: "go", Why: "builds the guest program and the eBPF agent", How: "install Go " + leastGo + " or later from https://go.dev/dl", least: leastGo},
		program("gcc", "gcc", "builds the agents"),
		files("libc's headers", "/usr/include/stdlib.h", "libc6-dev", "the agents are built with it"),
		program("make", "make", "builds the kernel agent"),
		program("ld", "binutils", "builds the kernel agent"),
		program("clang", "clang", "builds the eBPF agent's programs"),
		files("libbpf's headers", "/usr/include/bpf/bpf_helpers.h", "libbpf-dev", "the eBPF agent's programs include them"),
		program("mke2fs", "e2fsprogs", "makes the image's disk"),
		program("dpkg-deb", "dpkg", "unpacks the image's kernel"),
		program("apt-get", "apt", "downloads the image's kernel"),
		files("kernel headers", "/usr/src/linux-headers-*-cloud-amd64", "linux-headers-cloud-amd64", "the kernel agent is built against them"),
	}
}

// leastGo is what the guest program needs, as the module's go.mod says.
const leastGo = "1.26"

// Find says where the prerequisite is, or how it is not there.
func (p Prerequisite) Find() (string, error) {
	if p.files != "" {
		found, err := filepath.Glob(p.files)
		if err == nil && len(found) == 0 {
			err = errors.New("no " + p.files)
		}
		if err != nil {
			return "", err
		}
		return found[len(found)-1], nil
	}
	path, err := Find(p.Name)
	if err != nil {
		return "", errors.New("not installed")
	}
	if p.least != "" {
		return path, p.checkVersion(path)
	}
	return path, nil
}

// checkVersion asks a Go command for the version that it brings, whatever others it could download.
func (p Prerequisite) checkVersion(path string) error {
	cmd := exec.Command(path, "env", "GOVERSION")
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s env GOVERSION: %w", path, err)
	}
	if has := strings.TrimSpace(string(out)); version.Compare(has, "go"+p.least) < 0 {
		return fmt.Errorf("%s is %s", path, has)
	}
	return nil
}
