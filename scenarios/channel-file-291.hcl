# Channel File 291, 19 July 2024.
#
# A security vendor ships "rapid-response content" to millions of machines: data, not code, but data that the agent's
# content interpreter acts on. The content's template type declares 21 fields for an event. The sensor that calls the
# interpreter supplies 20. For months that did no harm, since every rule had a wildcard for the 21st field, which the
# interpreter never looks at. Then one rule came with a criterion on it. It was well formed and validly signed, it passed
# the vendor's checks, and it made the interpreter read a 21st input that was not there.
#
# In kernel mode that is a page fault in the kernel: the machine goes down. The content lies on its disk, so it goes down
# again at each start, before it can fetch the remedy: a boot loop, until somebody comes and starts it without the agent.
# The vendor pulled the update after 78 minutes, which helped nobody who was in the loop.
#
# This file runs the same update, through the same interpreter source, on three fleets:
#
#   control  the kernel-mode agent, and an update of the same size that is harmless: what the testbed itself costs
#   kernel   the interpreter in a kernel module
#   user     the interpreter in a process, under a supervisor that restarts it
#
# Run it:             fleetfall run channel-file-291
# At the real pace:   fleetfall run channel-file-291 --var pace=real
# With more hosts:    fleetfall run channel-file-291 --var hosts=20

scenario "channel-file-291" {
  description   = "A signed, well-formed update that matches on a 21st field, of which the sensor supplies 20."
  seed          = var.seed
  repeat        = var.repeat
  deadline      = coalesce(var.deadline, local.pace.deadline)     # after the injection; hosts not back by then are censored, never "recovered"
  stable_for    = coalesce(var.stable_for, local.pace.stable_for) # a host is back once it has been available for as long as this
  liveness      = coalesce(var.liveness, local.pace.liveness)     # a host that runs and sends no beat for as long as this is hung
  latency_bound = var.latency_bound                               # a host whose workload is slower than this is degraded
}

variable "seed" {
  type        = number
  default     = 291
  description = "All chance follows from it."
}

variable "hosts" {
  type        = number
  default     = 4
  description = "Hosts in each fleet."
}

variable "repeat" {
  type        = number
  default     = 5
  description = "How often each cell is run, each time with a seed of its own."
}

variable "technicians" {
  type        = number
  default     = 2
  description = "How many hosts can be worked on at the same time."
}

variable "latency_bound" {
  type        = duration
  default     = "5s"
  description = "How long one unit of the workload may take before its host counts as degraded."
}

# The outage took days. The short pace keeps its order of events and shrinks its waits, so that a cell takes about a minute
# of its own time; the real one is that of the day, and is for the virtual clock. Each time can also be given by itself.

variable "pace" {
  type        = string
  default     = "short"
  description = "short, or real."
}

locals {
  pace = {
    short = {
      at       = "8s", revert_after = "12s", deadline = "3m", stable_for = "6s", liveness = "20s"
      hands_on = lognormal("4s", 0.3), notice = "2s", restart = "1s"
      beat     = "1s", poll = "2s", work = "1s", threat = "2s"
    }
    real = {
      at       = "10m", revert_after = "78m", deadline = "12h", stable_for = "5m", liveness = "2m"
      hands_on = lognormal("15m", 0.5), notice = "30m", restart = "2m"
      beat     = "10s", poll = "30s", work = "10s", threat = "30s"
    }
  }[var.pace]
}

variable "at" {
  type        = duration
  default     = null
  description = "When the update is shipped, after the fleet is ready: the time to see what is normal."
}

variable "revert_after" {
  type        = duration
  default     = null
  description = "How long after that the vendor pulls it."
}

variable "deadline" {
  type        = duration
  default     = null
  description = "How long after the injection hosts have to come back."
}

variable "hands_on" {
  type        = distribution
  default     = null
  description = "A technician's time for one host, besides its boots."
}

variable "notice" {
  type        = duration
  default     = null
  description = "From a host's boot loop to its place in the technicians' queue."
}

variable "restart" {
  type        = duration
  default     = null
  description = "From a panic to the host's automatic restart."
}

variable "stable_for" {
  type        = duration
  default     = null
  description = "How long a host must be available to count as back."
}

variable "liveness" {
  type        = duration
  default     = null
  description = "How long a host may be silent before it counts as hung."
}

# What the guests do, and how often: a sign of life; a poll for new content; a unit of work, which is one program
# execution; and a synthetic threat that the agent should detect.
guest {
  beat   = local.pace.beat
  poll   = local.pace.poll
  work   = local.pace.work
  threat = local.pace.threat
}

fleet "control" {
  architecture = "kernel"
  hosts        = var.hosts
  control      = true # gets a harmless update in the place of the one below
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = var.hosts
}

fleet "user" {
  architecture = "user"
  hosts        = var.hosts
}

update "rapid-response" {
  at           = coalesce(var.at, local.pace.at)
  revert_after = coalesce(var.revert_after, local.pace.revert_after)

  # 21 fields declared, 20 supplied. The criterion is the one on the 21st; with "any", a wildcard, the update is harmless,
  # as all those before it were.
  fault "field_count" {
    criterion = "equals:pipe-291"
  }
}

# All hosts at their next poll, as on that day.
rollout "everyone" {}

# The published remedy: start the host in safe mode, delete the content, start it again. By hand, host by host.
recovery "technicians" {
  strategy    = "safe_mode"
  technicians = var.technicians
  hands_on    = coalesce(var.hands_on, local.pace.hands_on)
  notice      = coalesce(var.notice, local.pace.notice)
  restart     = coalesce(var.restart, local.pace.restart)
}

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

expect "user mode keeps every host up" {
  where  = { fleet = "user" }
  metric = "blast_radius"
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

expect "a harmless update takes no host down" {
  where  = { fleet = "control" }
  metric = "blast_radius"
  max    = 0
}

expect "a harmless update crashes no kernel" {
  where  = { fleet = "control" }
  metric = "crashes"
  max    = 0
}
