scenario "s" {
  deadline = "30m"
  seed     = -1
  repeat   = 0
}

fleet "a" {
  architecture = "kernel"
  hosts        = -3
}

fleet "b" {
  architecture = "kernel"
  hosts        = 2.5
}

fleet "c" {
  architecture = "kernel"
  hosts        = "four"
}

fleet "d" {
  architecture = "kernel"
  hosts        = 99999999999999999999
}

fleet "e" {
  architecture = "kernel"
  hosts        = 100000
}

update "bad" {
  at     = "30s"
  fault  = "none"
  signed = "maybe"
}
