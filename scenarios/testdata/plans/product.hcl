# --var hosts=8
# --var pace=fixed("90s")
# --env FLEETFALL_VAR_hosts=6
# --env FLEETFALL_VAR_memory=128MiB
# --env FLEETFALL_VAR_names=["kernel", "user"]
# --var-file testdata/plans/product.vars
scenario "product" {
  description = format("%d hosts in each of %d fleets", var.hosts, length(var.names))
  seed        = local.seed
  deadline    = "30m"
  repeat      = 3
}

variable "hosts" {
  type        = number
  default     = 4
  description = "Hosts in each fleet."
  validation {
    condition     = var.hosts > 0 && floor(var.hosts) == var.hosts
    error_message = "There must be a whole number of hosts."
  }
}

variable "names" {
  type    = list(string)
  default = []
}

variable "memory" {
  type    = size
  default = "96MiB"
}

variable "pace" {
  type    = distribution
  default = "4m"
}

variable "unused" {
  default = null
}

locals {
  seed  = local.base + 1
  third = null
}

locals {
  base = 100
}

fleet "by-architecture" {
  for_each     = toset(var.names)
  architecture = each.key
  hosts        = var.hosts
  memory       = var.memory
  mitigations  = []
}

fleet "mapped" {
  for_each     = { small = { hosts = 1 }, large = { hosts = 2 * var.hosts } }
  architecture = "none"
  hosts        = each.value.hosts
  control      = each.key == "small"
  memory       = each.key == "small" ? null : "1GiB"
  crash_dump   = each.key == "large"
}

dynamic "update" {
  for_each = { unsigned = false, signed = true }
  labels   = ["bad-${update.key}"]
  content {
    at     = "30s"
    signed = update.value
    dynamic "fault" {
      for_each = ["field_count"]
      labels   = [fault.value]
      content {
        criterion = "prefix:${update.key}"
      }
    }
  }
}

rollout "first" {}

rollout "second" {}

recovery "nobody" {
  strategy = "none"
}

recovery "technicians" {
  technicians = 2
  hands_on    = var.unused == null ? var.pace : weibull("4m", 1.5)
}

matrix {
  exclude = [
    { fleet = "mapped-large", recovery = "technicians" },
    { rollout = "second", update = "bad-unsigned" },
    { rollout = "second", recovery = "nobody" },
  ]
}

expect "each recovers" {
  where  = { architecture = "kernel", recovery = "technicians" }
  metric = "time_to_recover_p90"
  min    = 0
  max    = "1h30m"
}

expect "everywhere" {
  metric = "censored"
  max    = 0
}
