scenario "s" {
  deadline = "30m"
}

update "bad" {
  at    = "30s"
  fault = "none"
}

fleet "a" {
  architecture = "none"
  hosts        = 1
  memory       = 96
}

fleet "b" {
  architecture = "none"
  hosts        = 1
  memory       = "96MB"
}

fleet "c" {
  architecture = "none"
  hosts        = 1
  memory       = "1MiB"
}

fleet "d" {
  architecture = "none"
  hosts        = 1
  memory       = "100000KiB"
}

fleet "e" {
  architecture = "none"
  hosts        = 1
  memory       = "1GiB512MiB"
}

fleet "f" {
  architecture = "none"
  hosts        = 1
  memory       = "0.3B"
}

fleet "g" {
  architecture = "none"
  hosts        = 1
  memory       = true
}

fleet "h" {
  architecture = "none"
  hosts        = 1
  memory       = "99999999999TiB"
}

fleet "i" {
  architecture = "none"
  hosts        = 1
  memory       = "96xyz"
}
