# --backend paper
# --clock virtual
scenario "s" {
  deadline = "30m"
  backend  = "paper"
  clock    = "wall"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 3
}

update "u" {
  at    = "1s"
  fault = "field_count"
}
