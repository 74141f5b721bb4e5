fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "rapid-response" {
  at           = "30s"
  revert_after = "78m"
  fault        = "field_count"
}

recovery "technicians" {
  technicians = 2
  hands_on    = lognormal("4m", 0.5)
}

expect "the kernel fleet goes down" {
  where  = { fleet = "kernel" }
  metric = "blast_radius"
  min    = 1
}
