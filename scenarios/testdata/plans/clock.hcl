# --clock virtual
scenario "clock" {
  deadline = "12h"
  clock    = "wall"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "rapid-response" {
  at    = "30s"
  fault = "field_count"
}
