scenario "minimal" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "rapid-response" {
  at    = "30s"
  fault = "field_count"
}
