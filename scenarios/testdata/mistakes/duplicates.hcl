scenario "one" {
  deadline = "30m"
}

scenario "two" {
  deadline = "30m"
}

guest {}

guest {}

variable "hosts" {
  default = 4
}

variable "hosts" {
  default = 5
}

locals {
  a = 1
}

locals {
  a = 2
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

fleet "kernel" {
  architecture = "user"
  hosts        = 4
}

update "bad" {
  at = "30s"
  fault = "field_count"
  fault "none" {}
}

update "worse" {
  at = "30s"
  fault "none" {}
  fault "none" {}
}

expect "same" {
  metric = "crashes"
  max    = 0
}

expect "same" {
  metric = "crashes"
  max    = 1
}
