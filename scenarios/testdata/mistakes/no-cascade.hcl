# One mistake a block: what refers to these blocks is right and must not be reported.
scenario "s" {
  deadline   = "1 0m"
  stable_for = "20m"
}

locals {
  lost = var.lost
  also = local.lost
}

fleet "kernel" {
  architecture = "kernal"
  hosts        = local.also
}

fleet "user" {
  architecture = "user"
  hosts        = -1
}

update "bad" {
  at           = "soon"
  fault        = "field_count"
  revert_after = "15m"
}

recovery "technicians" {
  strategy = "safe_mod"
}

expect "kernel" {
  where  = { architecture = "kernel", recovery = "technicians" }
  metric = "blast_radius"
  min    = 1
}

expect "user" {
  where  = { fleet = "user", update = "bad" }
  metric = "blast_radius"
  max    = 0
}
