scenario "s" {
  deadline = "30m"
  repeat   = 1000
}

fleet "k" {
  architecture = "kernel"
  hosts        = 1
}

dynamic "update" {
  for_each = range(6)
  labels   = ["u${update.value}"]
  content {
    at    = "30s"
    fault = "none"
  }
}
