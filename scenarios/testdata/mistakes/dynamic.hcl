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

dynamic "scenario" {
  for_each = [1]
  labels   = ["x"]
  content {
    deadline = "30m"
  }
}

dynamic "flet" {
  for_each = ["a"]
  labels   = [flet.value]
  content {
    architecture = "user"
    hosts        = 1
  }
}

dynamic "fleet" {
  for_each = ["a"]
  labels   = [fleet.value]
  content {
    architecture = "user"
    hosts        = flet.value
    memry        = "96MiB"
  }
}

dynamic "fleet" {
  for_each = ["b"]
  iterator = f
  labels   = [f.value]
}

dynamic {
  for_each = ["b"]
}
