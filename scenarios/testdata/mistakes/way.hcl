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

recovery "twice" {
  strategy = "safe_mode"

  way "safe_mode" {
    hands_on = "4m"
  }
}

recovery "beside" {
  technicians = 2

  way "safe_mode" {
    hands_on = "4m"
  }
}

recovery "misspelt" {
  way "safe-mode" {
    hands_on = "4m"
  }
}

recovery "nobody" {
  way "none" {
    technicians = 2
  }
}

recovery "incomplete" {
  way "safe_mode" {
    technicians = 2
    patience    = "4m"
  }
}
