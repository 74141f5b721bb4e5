# A way back in a block of its own is the same as one that the attribute strategy names.
scenario "way" {
  deadline = "2h"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 2
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}

recovery "technicians" {
  restart = "2m"

  way "safe_mode" {
    technicians = 2
    notice      = "5m"
    hands_on    = lognormal("4m", 0.5)
  }
}

recovery "nobody" {
  way "none" {}
}
