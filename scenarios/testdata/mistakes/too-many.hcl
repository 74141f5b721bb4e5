scenario "s" {
  deadline = "30m"
}

fleet "k" {
  for_each     = [for i in range(300) : tostring(i)]
  architecture = "kernel"
  hosts        = 1
}

dynamic "update" {
  for_each = range(200)
  labels   = ["u${update.value}"]
  content {
    at    = "30s"
    fault = "none"
  }
}
