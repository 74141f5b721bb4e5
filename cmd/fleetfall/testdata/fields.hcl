# A criterion on a field that no sensor supplies reads what lies behind the inputs of the agent's event. What that is follows
# from the structs, and so does what comes of it: agents/interpreter/README.md has the table.

scenario "fields" {
  seed          = 3
  clock         = "virtual"
  deadline      = "2m"
  stable_for    = "5s"
  liveness      = "20s"
  latency_bound = "5s"
}

guest {
  beat   = "1s"
  poll   = "2s"
  work   = "1s"
  threat = "2s"
}

fleet "control" {
  architecture = "kernel"
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

update "field-21" {
  at           = "4s"
  revert_after = "8s"
  fault "field_count" {
    criterion = "equals:pipe"
  }
}

update "field-22" {
  at           = "4s"
  revert_after = "8s"
  fault "field_count" {
    criterion = "equals:pipe"
    declared  = 22
  }
}

update "field-23" {
  at           = "4s"
  revert_after = "8s"
  fault "field_count" {
    criterion = "equals:pipe"
    declared  = 24
    field     = 23
  }
}

recovery "technician" {
  strategy    = "safe_mode"
  technicians = 1
  hands_on    = fixed("2s")
  notice      = "1s"
  restart     = "1s"
}

matrix {
  exclude = [for update in ["field-22", "field-23"] : { fleet = "control", update = update }]
}

dynamic "expect" {
  for_each = [
    { fleet = "kernel", update = "field-21", metric = "boot_loops", min = 1, max = null },
    { fleet = "kernel", update = "field-22", metric = "boot_loops", min = 1, max = null },
    { fleet = "kernel", update = "field-23", metric = "blast_radius", min = null, max = 0 },
    { fleet = "kernel", update = "field-23", metric = "protection_radius", min = null, max = 0 },
    { fleet = "user", update = "field-21", metric = "agent_crashes", min = 1, max = null },
    { fleet = "user", update = "field-22", metric = "agent_crashes", min = 1, max = null },
    { fleet = "user", update = "field-23", metric = "agent_crashes", min = 1, max = null },
  ]
  labels = ["${expect.value.update}: ${expect.value.metric} of ${expect.value.fleet}"]
  content {
    where  = { fleet = expect.value.fleet, update = expect.value.update }
    metric = expect.value.metric
    min    = expect.value.min
    max    = expect.value.max
  }
}
