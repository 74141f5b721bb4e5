scenario "s" {
  deadline == "5m"
}

fleet "kernel" {
  architecture: "kernel"
  hosts         4
}

update "u" {
  at    : "10s"
  fault : "none"
}

recovery technicians {
  technicians -> 2
  hands_on    -> fixed("1m")
  notice      -> "1m"
}

expect "x"
  metric = "blast_radius"
