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

fleet "user" {
  architecture = "user"
  hosts        = 4
}

matrix {
  exclude = [{ fleet = "user", update = "bad" }]
}

expect "excluded" {
  where  = { fleet = "user" }
  metric = "crashes"
  max    = 0
}

expect "contradiction" {
  where  = { fleet = "kernel", architecture = "user" }
  metric = "crashes"
  max    = 0
}
