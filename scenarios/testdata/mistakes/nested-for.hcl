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

locals {
  cube = [for a in range(1000): [for b in range(1000): [for c in range(1000): 1]]]
}
