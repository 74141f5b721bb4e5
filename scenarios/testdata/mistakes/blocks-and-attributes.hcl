scenario "s" {
  deadline {
  }
  repeat = 2
  deadline = "30m"
}

fleet = { name = "kernel" }

guest = {}
rollouts = 1
fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}

