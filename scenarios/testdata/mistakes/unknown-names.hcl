scenario "s" {
  deadlin = "30m"
  deadline = "30m"
}

flet "kernel" {
  architecture = "kernel"
  hosts = 4
}

fleet "user" {
  architecture = "usr"
  hosts        = 4
  host_count   = 4
  service "web" {}
}

update "bad" {
  at    = "30s"
  fault = "feild-count"
}

recovery "r" {
  strategy = "save_mode"
}

expect "kernel" {
  where  = { fleet = "kernel", arch = "kernel" }
  metric = "blastradius"
  max    = 0
}

rollout "canary" {
  ring "first" {}
}
