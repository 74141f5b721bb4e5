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
	programsDir  = "/opt/fleetfall"
	virtioDisk   = "/dev/vda"
	memoryDisk   = "/dev/pmem0"
	dataDir      = "/data"
	dataOptions  = "noinit_itable,no_prefetch_block_bitmaps" // what ext4 does of its own accord seconds after a mount
	bootServices = 3                                         // programs that the boot executes before the network is up

	moduleReadyWait = 2 * time.Second // a module is ready when it is loaded; this bounds reading that from it
)

// boot brings the machine, whose drivers are loaded, up to the point where an operating system configures its network.
// The order is the field's, and matters: an agent's module starts before all programs, with the newest content on the
// disk, and sees every execution from then on. What fails is logged and the boot goes on, as far as it can.
func boot(ctx context.Context, set settings, a *agent, log *logger) {
	device := virtioDisk
	if set.link == mailboxLink {
		device = memoryDisk
	}
	log.check("mount "+device, mount(device, dataDir, "ext4", dataOptions))
	if arch, ok := set.agent(); ok {
		a.starting()
		for _, m := range arch.needs {
			log.check("mount "+m.dir, mount(m.kind, m.dir, m.kind, ""))
		}
		if arch.module != "" {
			log.check("agent's module", startModule(ctx, arch, a, log))
		}
	}
	for range bootServices {
		log.check("boot service", execute(programsDir+"/service"))
	}
}

func mountKernelFilesystems(log *logger) {
	for _, m := range []fileSystem{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}, {"tmpfs", "/tmp"},
	} {
		log.check("mount "+m.dir, mount(m.kind, m.dir, m.kind, ""))
	}
}

// rest keeps a machine asleep that has nothing to do. Of its own accord the kernel looks twice a second whether its
// memory is in pieces, and once whether its counters are up to date; on the virtual clock, where an idle hour is leapt
// over, each look is work for the host.
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

// startModule loads the agent's module, which sees from then on what is executed, and begins to listen to it if it has
// something to say.
func startModule(ctx context.Context, arch parts, a *agent, log *logger) error {
	if err := loadModule(arch.module, arch.parameters); err != nil {
		if arch.daemon == nil { // else that may still start, and say itself how it is without the module
			a.ended(0)
		}
		return err
	}
	if arch.device == "" {
		return nil
	}
	device, err := os.OpenFile(arch.device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	duty(ctx, log, "agent's module", func() {
		err := a.serve(device)
		log.printf("agent's module: %v", err)
	})
	a.awaitStart(ctx, moduleReadyWait)
	return nil
}
