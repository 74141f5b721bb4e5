scenario "s" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "a" {
  at = "30s"
  fault "field_count" {
    criterion = "equal:xyz"
  }
}

update "b" {
  at = "30s"
  fault "field_count" {
    criterium = "equals:xyz"
  }
}

update "c" {
  at = "30s"
  fault "none" {
    criterion = "equals:xyz"
  }
}

update "d" {
  at = "30s"
  fault "field_cuont" {}
}

update "e" {
  at = "30s"
  fault "field_count" {
    criterion = ["equals"]
    nested {}
  }
}

update "f" {
  at = "30s"
  fault "field_count" {
    declared = 22
    field    = 23
  }
}
