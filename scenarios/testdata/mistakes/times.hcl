scenario "s" {
  deadline   = "10m"
  stable_for = "10m"
  liveness   = "1s"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at           = "30s"
  fault        = "field_count"
  revert_after = "78m"
}

update "just-too-late" {
  at           = "30s"
  fault        = "none"
  revert_after = "10m"
}
