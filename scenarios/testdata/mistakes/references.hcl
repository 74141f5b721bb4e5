scenario "s" {
  deadline = "30m"
}

variable "hosts" {
  type    = number
  default = 4
}

locals {
  one   = local.two
  two   = local.three
  three = local.one
  self  = local.self
  lost  = local.onne
}

fleet "kernel" {
  architecture = kernel
  hosts        = var.hsots
}

fleet "user" {
  architecture = "user"
  hosts        = hosts
  memory       = "${vars.memory}"
  image        = var
  control      = local["nothing"]
  mitigations  = var[0]
}

update "bad" {
  at    = foo.bar
  fault = uper("x")
}
