package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// What the image holds, and where.
const (
	modulesFiles = "/etc/fleetfall/modules." // and the link's name: one path of a kernel module a line, in load order
	kernelAgent  = "/agent/kernel.ko"
	userAgent    = "/agent/user"
	ebpfAgent    = "/agent/ebpf" // its programs are in ebpf.o beside it
	programsDir  = "/opt/fleetfall"
	virtioDisk   = "/dev/vda"
	memoryDisk   = "/dev/pmem0"
	contentDir   = "/data/content"
	agentDevice  = "/dev/fleetfall-agent"
	dataOptions  = "noinit_itable,no_prefetch_block_bitmaps" // what ext4 does of its own accord seconds after a mount
	bootServices = 3                                         // programs that the boot executes before the network is up

	kernelReadyWait = 2 * time.Second // a module is ready when it is loaded; this bounds reading that from it
)

// boot brings the machine, whose drivers are loaded, up to the point where an operating system configures its network. The
// order is the field's, and matters: the kernel's agent starts first of all programs, with the newest content on the disk, and sees every
// execution from then on. What fails is logged and the boot goes on, as far as it can.
func boot(ctx context.Context, set settings, a *agent, log *logger) {
	device := virtioDisk
	if set.link == mailboxLink {
		device = memoryDisk
	}
	log.check("mount "+device, mount(device, "/data", "ext4", dataOptions))
	if set.agent() {
		a.starting()
		if set.architecture == kernelArchitecture {
			log.check("kernel agent", startKernelAgent(ctx, a, log))
		}
	}
	for range bootServices {
		_, err := execute(programsDir + "/service")
		log.check("boot service", err)
	}
}

func mountKernelFilesystems(log *logger) {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		log.check("mount "+m.dir, mount(m.kind, m.dir, m.kind, ""))
	}
}

// rest keeps a machine asleep that has nothing to do. Of its own accord the kernel looks twice a second whether its memory is in
// pieces, and once whether its counters are up to date; on the virtual clock, where an idle hour is leapt over, each look is work
// for the host.
func rest(log *logger) {
	for name, value := range map[string]string{"vm/compaction_proactiveness": "0", "vm/stat_interval": "600"} {
		log.check(name, os.WriteFile("/proc/sys/"+name, []byte(value), 0))
	}
}

func mount(device, dir, kind, options string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := syscall.Mount(device, dir, kind, 0, options)
	if errors.Is(err, syscall.EBUSY) { // is mounted
		return nil
	}
	return err
}

// loadModules loads what the image lists. A kernel with a driver built in needs no module for it.
func loadModules(list string, log *logger) {
	data, err := os.ReadFile(list)
	if err != nil {
		log.printf("list of kernel modules: %v", err)
	}
	for _, path := range strings.Fields(string(data)) {
		log.check("kernel module "+path, loadModule(path, ""))
	}
}

func loadModule(path, parameters string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	p, err := syscall.BytePtrFromString(parameters)
	if err != nil {
		return err
	}
	const finitModule = 313
	_, _, errno := syscall.Syscall(finitModule, file.Fd(), uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 && errno != syscall.EEXIST {
		return fmt.Errorf("loading %s: %w", path, errno)
	}
	return nil
}

// startKernelAgent loads the agent, which then sees what is executed, and begins to listen to it.
func startKernelAgent(ctx context.Context, a *agent, log *logger) error {
	if err := loadModule(kernelAgent, "content="+contentDir+"/"+currentName); err != nil {
		a.ended(0)
		return err
	}
	device, err := os.OpenFile(agentDevice, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	duty(ctx, log, "kernel agent", func() {
		err := a.serve(device)
		log.printf("kernel agent: %v", err)
	})
	a.awaitStart(ctx, kernelReadyWait)
	return nil
}
