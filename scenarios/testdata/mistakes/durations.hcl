scenario "s" {
  deadline      = 30
  stable_for    = "30"
  liveness      = "30 s"
  latency_bound = "5sec"
}

guest {
  beat   = "-1s"
  poll   = "1ns"
  work   = ""
  threat = ["2s"]
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at           = "soon"
  fault        = "none"
  revert_after = "99999999h"
}

update "worse" {
  at           = "3fortnights"
  fault        = "none"
  revert_after = "1e3s"
}

update "worst" {
  at           = "366d"
  fault        = "none"
  revert_after = "${join("", [for i in range(100): "1"])}s"
}
