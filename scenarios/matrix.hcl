# The matrix: the same mistakes in every architecture of the agent.
#
# After July 2024 platform owners moved security products out of the kernel, and those who want to stay there answer that
# visibility is lost. Both can be measured: what one malformed update costs each architecture, and what each architecture sees
# and costs on the days when nothing is wrong. Every agent here evaluates the same content with the same meaning, and has the
# same defects as far as the place where it runs lets it have them (agents/interpreter/README.md).
#
#   none          no agent: what work costs without one
#   kernel        a kernel module; a fault in it stops the machine, as it does under Windows
#   kernel-kill   the same module; a fault kills the task, and the machine goes on: the default of Linux
#   user          a daemon that decides about executions through fanotify
#   hybrid        a thin sensor in the kernel that waits, not for ever, for a daemon's verdict
#   ebpf          BPF programs, which the kernel verifies before it lets them run
#   safe          a daemon like user's, in a memory-safe language
#
# Run it:           fleetfall run matrix
# Some of it:       fleetfall run matrix-quick

scenario "matrix" {
  description   = "Six architectures and fourteen ways to be malformed."
  seed          = 1
  repeat        = var.repeat
  clock         = var.clock
  deadline      = "5m"
  stable_for    = "15s"
  liveness      = "20s"
  latency_bound = "2s"
}

# Hosts of one trial share its update and its draws, and tell of one another: more repeats narrow an interval, and more hosts
# do not.

variable "hosts" {
  type        = number
  default     = 1
  description = "Hosts in each fleet."
}

variable "repeat" {
  type        = number
  default     = 3
  description = "How often each cell is run, each time with a seed of its own."
}

variable "clock" {
  type        = string
  default     = null
  description = "virtual or wall; by default what the machine can do."
}

guest {
  beat   = "5s"
  poll   = "15s"
  work   = "2s"
  threat = "2s"
}

fleet "none" {
  architecture = "none"
  hosts        = var.hosts
  control      = true
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = var.hosts
}

fleet "kernel-kill" {
  architecture = "kernel"
  oops         = "kill"
  hosts        = var.hosts
}

fleet "user" {
  architecture = "user"
  hosts        = var.hosts
}

fleet "hybrid" {
  architecture = "hybrid"
  hosts        = var.hosts
}

fleet "ebpf" {
  architecture = "ebpf"
  hosts        = var.hosts
}

fleet "safe" {
  architecture = "safe"
  hosts        = var.hosts
}

# Time to see what is normal, with each kind of threat once at least; the vendor pulls each update after 90 s.
locals {
  at           = "45s"
  revert_after = "90s"
}

# One draw, the same for all and in each repeat: which bit is flipped decides whether the update is refused, loaded with
# another meaning, or read astray. With this seed it is bit 2,420 of 8,440: an update that every loader takes, and whose
# rule for "threat-exec" goes for "threat-exes". It is the smallest seed, counted from 1, that flips this bit.
update "bit-flips" {
  at           = local.at
  revert_after = local.revert_after
  fault "bit_flips" {
    seed = 1821
  }
}

update "deep-nesting" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "deep_nesting"
}

update "false-length" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "false_length"
}

update "false-positive-system" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "false_positive_system"
}

update "false-positive-updater" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "false_positive_updater"
}

update "field-count" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "field_count"
}

update "glob-backtracking" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "glob_backtracking"
}

update "memory-exhaustion" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "memory_exhaustion"
}

update "none" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "none"
}

update "replay" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "replay"
}

update "self-wait" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "self_wait"
}

update "truncated" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "truncated"
}

update "unknown-version" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "unknown_version"
}

update "unsigned" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "unsigned"
}

update "zero-filled" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "zero_filled"
}

# Who is down, hangs or does no work is seen to by a technician: safe mode, the content removed, a restart. There are as many
# as hosts: the matrix compares architectures, and not queues.
recovery "technicians" {
  strategy    = "safe_mode"
  technicians = var.hosts
  hands_on    = fixed("30s")
  notice      = "30s"
  restart     = "20s"
}

matrix {
  exclude = [
    # Without an agent nothing is loaded: one cell tells what there is to tell.
    for update in [
      "bit-flips", "deep-nesting", "false-length", "false-positive-system", "false-positive-updater", "field-count",
      "glob-backtracking", "memory-exhaustion", "replay", "self-wait", "truncated", "unknown-version", "unsigned", "zero-filled",
    ] : { fleet = "none", update = update }
  ]
}

# What each fault does, and to whom: a fault that did not do what it claims would be a figure about nothing.
locals {
  claims = [
    { update = "none", fleets = ["kernel", "kernel-kill", "user", "hybrid", "ebpf", "safe"], metric = "protection_radius", max = 0 },
    { update = "none", fleets = ["kernel", "kernel-kill", "hybrid", "ebpf"], metric = "visibility", min = 0.75 },
    { update = "none", fleets = ["user", "safe"], metric = "visibility", max = 0.7 },

    # A read behind the inputs: the machine, the task, the process, or nothing.
    { update = "field-count", fleets = ["kernel"], metric = "boot_loops", min = var.hosts },
    # Where the fault kills the task, the first program that is executed after the load dies of it, and the kernel asks the agent about
    # no other. What that program was decides kernel-kill's blast radius: a unit of the workload, and the host was unavailable; a
    # threat, or the updater's own at the next poll, and nobody missed it.
    { update = "field-count", fleets = ["kernel-kill"], metric = "crashes", max = 0 },
    { update = "field-count", fleets = ["kernel-kill", "user", "hybrid"], metric = "protection_radius", min = 1 },
    { update = "field-count", fleets = ["user", "hybrid"], metric = "agent_crashes", min = var.hosts },
    { update = "field-count", fleets = ["user", "hybrid"], metric = "blast_radius", max = 0 },
    { update = "field-count", fleets = ["ebpf", "safe"], metric = "protection_radius", max = 0 },

    # A read behind the file, while it is loaded.
    { update = "false-length", fleets = ["kernel"], metric = "boot_loops", min = var.hosts },
    { update = "false-length", fleets = ["kernel-kill"], metric = "stranded", min = 1 },
    { update = "false-length", fleets = ["kernel-kill"], metric = "polls_failed", min = var.hosts },
    { update = "false-length", fleets = ["user", "hybrid"], metric = "agent_crashes", min = var.hosts },
    { update = "false-length", fleets = ["ebpf", "safe"], metric = "content_refused", min = var.hosts },

    # The stack: a kernel that has overflowed its own goes no further, whatever it is told to do about faults.
    { update = "deep-nesting", fleets = ["kernel", "kernel-kill"], metric = "boot_loops", min = var.hosts },
    { update = "deep-nesting", fleets = ["user", "hybrid", "ebpf", "safe"], metric = "protection_radius", max = 0 },

    # Memory.
    { update = "memory-exhaustion", fleets = ["kernel", "kernel-kill"], metric = "boot_loops", min = var.hosts },
    { update = "memory-exhaustion", fleets = ["user", "hybrid"], metric = "processes_killed", min = var.hosts },
    { update = "memory-exhaustion", fleets = ["user", "hybrid", "ebpf", "safe"], metric = "blast_radius", max = 0 },

    # Time: a CPU that does not come back, a listener that does not answer, and what fails open.
    { update = "glob-backtracking", fleets = ["kernel"], metric = "crashes", min = var.hosts },
    { update = "glob-backtracking", fleets = ["kernel-kill"], metric = "hangs", min = var.hosts },
    { update = "glob-backtracking", fleets = ["user", "safe"], metric = "blocked_work", min = var.hosts },
    { update = "glob-backtracking", fleets = ["kernel", "kernel-kill", "user", "hybrid", "safe"], metric = "blast_radius", min = 1 },
    { update = "glob-backtracking", fleets = ["ebpf"], metric = "protection_radius", max = 0 },
    { update = "self-wait", fleets = ["user", "safe"], metric = "blocked_work", min = var.hosts },
    { update = "self-wait", fleets = ["user", "hybrid", "safe"], metric = "blast_radius", min = 1 },
    { update = "self-wait", fleets = ["kernel", "kernel-kill", "ebpf"], metric = "blast_radius", max = 0 },
    { update = "self-wait", fleets = ["ebpf"], metric = "content_refused", min = var.hosts },

    # Rules that say the wrong thing do so everywhere.
    { update = "false-positive-system", fleets = local.agents, metric = "blast_radius", min = 1 },
    { update = "false-positive-updater", fleets = local.agents, metric = "stranded", min = 1 },
    { update = "false-positive-updater", fleets = local.agents, metric = "blast_radius", max = 0 },
    { update = "zero-filled", fleets = local.agents, metric = "protection_radius", min = 1 },
    { update = "zero-filled", fleets = local.agents, metric = "blast_radius", max = 0 },
    { update = "replay", fleets = local.agents, metric = "protection_radius", min = 1 },
    { update = "replay", fleets = local.agents, metric = "blast_radius", max = 0 },

    # One bit.
    { update = "bit-flips", fleets = local.agents, metric = "protection_radius", min = 1 },
    { update = "bit-flips", fleets = local.agents, metric = "blast_radius", max = 0 },

    # What every loader refuses.
    { update = "truncated", fleets = local.agents, metric = "content_refused", min = var.hosts },
    { update = "unknown-version", fleets = local.agents, metric = "content_refused", min = var.hosts },
    { update = "unsigned", fleets = local.agents, metric = "content_refused", min = var.hosts },
    { update = "unknown-version", fleets = local.agents, metric = "protection_radius", max = 0 },
    { update = "unsigned", fleets = local.agents, metric = "protection_radius", max = 0 },
  ]
  agents = ["kernel", "kernel-kill", "user", "hybrid", "ebpf", "safe"]
}

dynamic "expect" {
  for_each = flatten([for c in local.claims : [for fleet in c.fleets : merge({ min = null, max = null }, c, { fleet = fleet })]])
  labels   = ["${expect.value.update}: ${replace(expect.value.metric, "_", " ")} of ${expect.value.fleet}"]
  content {
    where  = { fleet = expect.value.fleet, update = expect.value.update }
    metric = expect.value.metric
    min    = expect.value.min
    max    = expect.value.max
  }
}
