scenario "s" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
  control      = true
}

update "bad" {
  at    = "30s"
  fault = "none"
}
