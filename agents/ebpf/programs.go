package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
)

// programs are the agent's BPF programs in the kernel, with their maps.
type programs struct {
	collection *ebpf.Collection
	steps      *ebpf.MapSpec // of a map with content's steps
	reports    *ringbuf.Reader
	links      []link.Link // closed with the process, and the programs with them
}

// loadPrograms has the kernel verify the programs of an object file. Its error says what the kernel lacks, if it does.
func loadPrograms(object string) (*programs, error) {
	const kernelTypes = "/sys/kernel/btf/vmlinux"
	if _, err := os.Stat(kernelTypes); err != nil {
		return nil, fmt.Errorf("%w; the kernel needs CONFIG_DEBUG_INFO_BTF, and sysfs is to be mounted", err)
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, err
	}
	p := &programs{steps: spec.Maps["content"].InnerMap}
	p.collection, err = ebpf.NewCollection(spec)
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, btf.ErrNotFound) {
		return nil, fmt.Errorf("%w; the kernel needs CONFIG_BPF_LSM, and to be 5.17 or newer", err)
	}
	if err != nil {
		return nil, err
	}
	p.reports, err = ringbuf.NewReader(p.collection.Maps["reports"])
	return p, err
}

// attach has the kernel call the programs from now on.
func (p *programs) attach() error {
	for name, program := range p.collection.Programs {
		l, err := link.AttachLSM(link.LSMOptions{Program: program})
		if err != nil {
			return fmt.Errorf("attach %s: %w", name, err)
		}
		p.links = append(p.links, l)
	}
	debug.FreeOSMemory() // some megabytes of the kernel's types were for loading alone
	return p.checkCalled()
}

// checkCalled maps some memory, which the kernel asks its security modules about, and looks whether it has asked the programs. A
// kernel that was not told to have BPF among its security modules lets programs be attached, and never calls them.
func (p *programs) checkCalled() error {
	memory, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	_ = syscall.Munmap(memory)
	var called uint64
	if err := p.collection.Variables["called"].Get(&called); err != nil {
		return err
	}
	if called == 0 {
		return errors.New("the kernel does not call the programs; put bpf among its security modules: lsm=…,bpf on the command line")
	}
	return nil
}

// use puts content's steps in the place of those before, all at once: an event is evaluated with either. When it returns, none
// is under way with those before.
func (p *programs) use(steps []step) error {
	spec := p.steps.Copy()
	spec.MaxEntries = uint32(len(steps))
	loaded, err := ebpf.NewMap(spec)
	if err != nil {
		return err
	}
	defer loaded.Close() // the map that it is put into holds it
	numbers := make([]uint32, len(steps))
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	if _, err := loaded.BatchUpdate(numbers, steps, nil); err != nil {
		return err
	}
	return p.collection.Maps["content"].Put(uint32(0), loaded)
}
