# The smallest machine that is still a real one: a stock distribution kernel, the guest program as its first process,
# and a disk that outlives a crash.
image "tiny" {
  description = "stock Debian cloud kernel, the guest program as PID 1, a persistent ext4 disk with the agent's content"

  # Arguments that every boot has; the architecture, the mode and what the kernel does about a fault come with the host.
  #   panic=0             a panicked machine stays so until somebody resets it: recovery is a policy, not a default
  #   cryptomgr.notests   no self-tests of ciphers: they are 1.8 s of a boot's 3.1 s on a virtual clock
  #   psi=0               no accounting of pressure, which nobody reads: it is a tenth of what each change of task costs
  #   tsc=nowatchdog      the time-stamp counter is not checked twice a second against a slower clock of the same QEMU
  #   swiotlb=noforce     no 64 MiB for devices that cannot reach all memory, which a slot for more memory makes it think of
  #   GODEBUG=…           which the kernel hands to the guest program: no signals from Go's scheduler to itself, which come
  #                       whenever an emulated CPU is slow, and cost more there than what they interrupt
  cmdline = ["console=ttyS0", "quiet", "panic=0", "cryptomgr.notests", "psi=0", "tsc=nowatchdog", "swiotlb=noforce", "GODEBUG=asyncpreemptoff=1"]

  kernel {
    package = "linux-image-*-cloud-amd64" # of the release whose headers are installed
    modules = {
      port    = ["virtio_pci", "virtio_blk", "virtio_console", "pvpanic_mmio"]
      mailbox = ["nfit", "nd_pmem", "pvpanic_mmio"]
    }

    # What the testbed relies on, and the agents' modules, which could not be built otherwise. A kernel without it is refused.
    require = {
      CONFIG_DEVTMPFS                 = "y"
      CONFIG_DYNAMIC_FTRACE_WITH_REGS = "y"
      CONFIG_EXT4_FS                  = "y"
      CONFIG_FUNCTION_TRACER          = "y"
      CONFIG_KPROBES                  = "y"
      CONFIG_KRETPROBES               = "y"
      CONFIG_MODULES                  = "y"
      CONFIG_SERIAL_8250_CONSOLE      = "y"
    }
    # What an architecture of the agent needs besides, and what people call it: hosts of one that the kernel cannot run are
    # refused before they boot.
    needs = {
      ebpf = {
        CONFIG_BPF_JIT = "BPF's compiler", CONFIG_BPF_LSM = "BPF LSM", CONFIG_DEBUG_INFO_BTF = "BTF", "lsm=bpf" = "bpf among its security modules"
      }
      safe = { CONFIG_FANOTIFY_ACCESS_PERMISSIONS = "fanotify permission events" }
      user = { CONFIG_FANOTIFY_ACCESS_PERMISSIONS = "fanotify permission events" }
    }
    # What a reader of results may want to know besides.
    record = [
      "CONFIG_HZ", "CONFIG_INIT_STACK_ALL_ZERO", "CONFIG_LSM",
      "CONFIG_MODULE_SIG_FORCE", "CONFIG_PANIC_TIMEOUT", "CONFIG_PREEMPT_DYNAMIC", "CONFIG_RANDOMIZE_BASE",
      "CONFIG_SECURITY_LOCKDOWN_LSM", "CONFIG_SMP", "CONFIG_STACKPROTECTOR_STRONG", "CONFIG_VMAP_STACK",
    ]
  }

  initramfs {
    directories = ["data", "dev", "etc", "proc", "sys", "tmp"]
    programs = [ # of agents/guest/programs, in /opt/fleetfall
      "inspect", "interp", "load", "service", "threat-exec", "threat-mark", "threat-short", "updater", "work",
    ]
  }

  disk {
    size_mib        = 16
    uuid            = "f1ee7fa1-1000-4000-8000-000000000001"
    hash_seed       = "f1ee7fa1-1000-4000-8000-000000000002"
    content_version = 10 # of the baseline that the agent is shipped with
  }

  limit_mb = 40 # what the whole may take, in millions of bytes
}
