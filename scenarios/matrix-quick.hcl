# A choice of the matrix that a CI machine runs in a minute or two: each architecture, one host of it, and the three faults that
# tell them apart best. scenarios/matrix.hcl has all, and says what the architectures are.
#
#   field-count   a crash wherever memory is not safe: of the machine, or of a process
#   self-wait     an agent that waits for itself: a hang, which no memory safety helps against
#   zero-filled   content that says nothing: no crash, and no protection, in any architecture
#
# Run it:   fleetfall run matrix-quick

scenario "matrix-quick" {
  description   = "Six architectures and the three faults that tell them apart."
  seed          = 5
  deadline      = "5m"
  stable_for    = "10s"
  liveness      = "20s"
  latency_bound = "1s"
}

guest {
  beat   = "2s"
  poll   = "5s"
  work   = "2s"
  threat = "2s"
}

fleet "none" {
  architecture = "none"
  hosts        = 1
  control      = true
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 1
}

fleet "user" {
  architecture = "user"
  hosts        = 1
}

fleet "hybrid" {
  architecture = "hybrid"
  hosts        = 1
}

fleet "ebpf" {
  architecture = "ebpf"
  hosts        = 1
}

fleet "safe" {
  architecture = "safe"
  hosts        = 1
}

locals {
  at           = "50s" # each kind of threat once, and of work five times
  revert_after = "30s"
}

update "field-count" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "field_count"
}

update "self-wait" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "self_wait"
}

update "zero-filled" {
  at           = local.at
  revert_after = local.revert_after
  fault        = "zero_filled"
}

recovery "technicians" {
  strategy    = "safe_mode"
  technicians = 1
  hands_on    = fixed("5s")
  notice      = "10s"
  restart     = "5s"
}

matrix {
  exclude = [for update in ["self-wait", "zero-filled"] : { fleet = "none", update = update }]
}

# What tells the architectures apart: fleets, of which the update has this metric within these bounds.
locals {
  agents = ["kernel", "user", "hybrid", "ebpf", "safe"]
  claims = [
    { update = "field-count", fleets = ["kernel"], metric = "boot_loops", min = 1 },
    { update = "field-count", fleets = ["user", "hybrid"], metric = "agent_crashes", min = 1 },
    { update = "field-count", fleets = ["user", "hybrid"], metric = "blast_radius", max = 0 },
    { update = "field-count", fleets = ["user", "hybrid"], metric = "protection_radius", min = 1 },
    { update = "field-count", fleets = ["ebpf", "safe"], metric = "protection_radius", max = 0 },
    { update = "self-wait", fleets = ["user", "safe"], metric = "blocked_work", min = 1 },
    { update = "self-wait", fleets = ["user", "hybrid", "safe"], metric = "blast_radius", min = 1 },
    { update = "self-wait", fleets = ["kernel", "ebpf"], metric = "blast_radius", max = 0 },
    { update = "self-wait", fleets = ["ebpf"], metric = "content_refused", min = 1 },
    { update = "zero-filled", fleets = local.agents, metric = "protection_radius", min = 1 },
    { update = "zero-filled", fleets = local.agents, metric = "blast_radius", max = 0 },
  ]
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
