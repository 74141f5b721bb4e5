scenario "s" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}

recovery "no-technicians" {
  strategy    = "safe_mode"
  technicians = 0
  hands_on    = "4m"
}

recovery "no-strategy" {
  strategy    = "none"
  technicians = 2
  hands_on    = "4m"
  notice      = "1m"
}

recovery "negative" {
  technicians = -2
  hands_on    = "4m"
}

recovery "too-late" {
  technicians = 2
  hands_on    = "4m"
  notice      = "30m"
}
