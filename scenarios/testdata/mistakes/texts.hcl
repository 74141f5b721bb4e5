scenario "s" {
  deadline    = "30m"
  description = "one\ntwo"
  backend     = "kvm"
}

update "bad" {
  at    = "30s"
  fault = "none"
}

fleet "control" {
  architecture = "kernel"
  hosts        = 1
  image        = "../tiny"
  mitigations  = ["bounds_check"]
}

fleet "b" {
  architecture = "kernel"
  hosts        = 1
  control      = true
  mitigations  = { a = {} }
}

fleet "c" {
  architecture = "kernel"
  hosts        = 1
  mitigations  = [null]
  image        = ["tiny"]
}
