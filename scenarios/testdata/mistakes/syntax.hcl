scenario "s" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel
  hosts = 4
}
