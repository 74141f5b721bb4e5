scenario "s" {
  deadline    = "30m"
  description = join("", [for i in range(500): "x"])
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}

