# The smallest scenario with everything in it, for tests on real VMs.

variable "criterion" {
  type    = string
  default = "equals:pipe-291"
}

variable "revert_after" {
  type    = duration
  default = "5s"
}

variable "signed" {
  type    = bool
  default = true
}

variable "boot" {
  type    = string
  default = "clone"
}

variable "crash_dump" {
  type    = bool
  default = false
}

scenario "smoke" {
  seed          = 1
  deadline      = "4m"
  stable_for    = "3s"
  liveness      = "60s" # on a busy machine an emulated guest may be silent for long
  latency_bound = "60s"
}

guest {
  beat   = "500ms"
  poll   = "1s"
  work   = "500ms"
  threat = "1s"
}

fleet "control" {
  architecture = "kernel"
  hosts        = 1
  boot         = var.boot
  control      = true
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 1
  boot         = var.boot
  crash_dump   = var.crash_dump
}

fleet "user" {
  architecture = "user"
  hosts        = 1
  boot         = var.boot
}

update "bad" {
  signed       = var.signed
  at           = "1s"
  revert_after = var.revert_after

  fault "field_count" {
    criterion = var.criterion
  }
}

recovery "technician" {
  strategy    = "safe_mode"
  technicians = 1
  hands_on    = fixed("1s")
  notice      = "1s"
  restart     = "1s"
}

expect "the kernel fleet goes down" {
  where  = { fleet = "kernel" }
  metric = "blast_radius"
  min    = 1
}

expect "the user fleet stays up" {
  where  = { fleet = "user" }
  metric = "blast_radius"
  max    = 0
}

expect "the control does not" {
  where  = { fleet = "control" }
  metric = "blast_radius"
  max    = 0
}
