# A hundred machines on one: the update of channel-file-291 on fleets as large as a small office.
#
#   control  20 hosts with the kernel-mode agent, and a harmless update of the same size: what the testbed itself costs
#   kernel   100 hosts with the interpreter in a kernel module
#   user     100 hosts with the interpreter in a process, under a supervisor that restarts it
#
# It is made for two cores without KVM, and 24 GiB. There a copy of a booted host is up in a third of a second, but a boot
# takes a core for about three seconds, and two hosts boot at the same time. The kernel fleet's recovery is therefore paced
# by the machine. Each host that is hit boots at least three times: into the panic that makes a boot loop of it, into safe
# mode, and back into work. That is 300 boots, or 450 s of both cores. On top of it come the boots of hosts that restart
# again while they wait for a technician: by reckoning some 50 with 30 technicians, and ten minutes in all; some 300 with
# ten technicians, and 17 minutes. So take the shares and counts of this scenario's report for results; its times are those
# of a fleet that has two boots at a time to share.
#
# Run it:               fleetfall run hundred
# Every boot real:      fleetfall run hundred --var boot=cold
# On a larger machine:  fleetfall run hundred --var hosts=400 --var technicians=120

scenario "hundred" {
  description   = "A signed, well-formed update that takes kernel-mode agents down, on a hundred hosts at a time."
  seed          = 291
  repeat        = var.repeat
  deadline      = var.deadline      # after the injection; hosts not back by then are censored, never "recovered"
  stable_for    = var.stable_for    # a host is back once it has been available for as long as this
  liveness      = var.liveness      # a host that runs and sends no beat for as long as this is hung
  latency_bound = var.latency_bound # a host whose workload is slower than this is degraded
}

variable "hosts" {
  type        = number
  default     = 100
  description = "Hosts in each of the two fleets that get the update."
}

variable "control_hosts" {
  type        = number
  default     = 20
  description = "Hosts in the control arm."
}

variable "boot" {
  type        = string
  default     = "clone"
  description = "How hosts start at first: clone, as copies of one that booted, or cold. Later boots are real ones either way."
}

variable "repeat" {
  type        = number
  default     = 1
  description = "How often each cell is run, each time with a seed of its own."
}

variable "at" {
  type        = duration
  default     = "45s"
  description = "When the update is shipped, after the fleet is ready: the time to see what is normal, three threats each."
}

variable "revert_after" {
  type        = duration
  default     = "60s"
  description = "How long after that the vendor pulls it. Every host has polled by then, also on a busy machine."
}

variable "deadline" {
  type        = duration
  default     = "20m"
  description = "How long after the injection hosts have to come back."
}

variable "technicians" {
  type        = number
  default     = 30
  description = "How many hosts can be worked on at the same time."
}

variable "hands_on" {
  type        = distribution
  default     = lognormal("10s", 0.3)
  description = "A technician's time for one host, besides its boots."
}

variable "notice" {
  type        = duration
  default     = "5s"
  description = "From a host's boot loop to its place in the technicians' queue."
}

# A panicked machine writes its dump before it restarts. The longer that takes, the fewer boots hosts that wait for a
# technician take away from those that have one.
variable "restart" {
  type        = duration
  default     = "30s"
  description = "From a panic to the host's automatic restart."
}

variable "stable_for" {
  type        = duration
  default     = "20s"
  description = "How long a host must be available to count as back."
}

# With a hundred hosts a beat or a unit of work may wait for the core. These two bounds are far above that wait, so that a
# busy testbed does not look like a sick host.

variable "liveness" {
  type        = duration
  default     = "60s"
  description = "How long a host may be silent before it counts as hung."
}

variable "latency_bound" {
  type        = duration
  default     = "20s"
  description = "How long one unit of the workload may take before its host counts as degraded."
}

# What the guests do, and how often. A hundred of them share two emulated cores with those that boot, so they do it slowly.

variable "beat" {
  type        = duration
  default     = "5s"
  description = "Between two signs of life of a host."
}

variable "poll" {
  type        = duration
  default     = "10s"
  description = "Between two polls of a host for new content."
}

variable "work" {
  type        = duration
  default     = "10s"
  description = "Between two units of a host's workload, each of which is one program execution."
}

variable "threat" {
  type        = duration
  default     = "15s"
  description = "Between two synthetic threats on a host, which its agent should detect."
}

guest {
  beat   = var.beat
  poll   = var.poll
  work   = var.work
  threat = var.threat
}

# waves: where a fleet does not fit into memory it is run in parts, one after the other, instead of being refused.

fleet "control" {
  architecture = "kernel"
  hosts        = var.control_hosts
  control      = true # gets a harmless update in the place of the one below
  boot         = var.boot
  waves        = true
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = var.hosts
  boot         = var.boot
  waves        = true
}

fleet "user" {
  architecture = "user"
  hosts        = var.hosts
  boot         = var.boot
  waves        = true
}

update "rapid-response" {
  at           = var.at
  revert_after = var.revert_after

  # 21 fields declared, 20 supplied; see channel-file-291.
  fault "field_count" {
    criterion = "equals:pipe-291"
  }
}

# All hosts at their next poll, as on that day.
rollout "everyone" {}

# Start the host in safe mode, delete the content, start it again. By hand, host by host.
recovery "technicians" {
  strategy    = "safe_mode"
  technicians = var.technicians
  hands_on    = var.hands_on
  notice      = var.notice
  restart     = var.restart
}

# What is expected holds on a busy machine too: shares and counts of what happened, and no times.

expect "every kernel-mode host goes down" {
  where  = { fleet = "kernel" }
  metric = "blast_radius"
  min    = 1
}

expect "kernel-mode hosts end in boot loops" {
  where  = { fleet = "kernel" }
  metric = "boot_loops"
  min    = 1
}

# Not by the blast radius: that one also counts a host that was slow because a hundred others were at work.
expect "user mode crashes no kernel" {
  where  = { fleet = "user" }
  metric = "crashes"
  max    = 0
}

# Not down is not unharmed: without its agent a host is unprotected.
expect "user mode loses its protection" {
  where  = { fleet = "user" }
  metric = "protection_radius"
  min    = 1
}

expect "the user-mode agent crashes on the same defect" {
  where  = { fleet = "user" }
  metric = "agent_crashes"
  min    = 1
}

expect "a harmless update crashes no kernel" {
  where  = { fleet = "control" }
  metric = "crashes"
  max    = 0
}
