variable "unset" {
  default = null
}

scenario "s" {
  deadline    = var.unset
  description = null
}

fleet "kernel" {
  architecture = null
  hosts        = var.unset
  memory       = null
}

update "bad" {
  at    = null
  fault = "field_count"
}

expect "something" {
  metric = null
  max    = 0
}

expect "nothing" {
  metric = "blast_radius"
  min    = var.unset
  max    = null
}

matrix {
  exclude = null
}
