# --image small
# --image tiny
scenario "images" {
  deadline = "5m"
}

fleet "misspelt" {
  architecture = "kernel"
  hosts        = 1
  image        = "tinny"
}

fleet "unknown" {
  architecture = "kernel"
  hosts        = 1
  image        = "nope"
}

fleet "no-name" {
  architecture = "kernel"
  hosts        = 1
  image        = "../tiny"
}

update "u" {
  at    = "10s"
  fault = "none"
}
