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

expect "no bound" {
  metric = "crashes"
}

expect "wrong way round" {
  metric = "blast_radius"
  min    = 0.9
  max    = 0.1
}

expect "percent" {
  metric = "blast_radius"
  max    = 50
}

expect "negative" {
  metric = "crashes"
  max    = -1
}

expect "not a number" {
  metric = "crashes"
  max    = "few"
}

expect "unit" {
  metric = "time_to_recover_median"
  max    = "10 minutes"
}

expect "no such fleet" {
  where  = { fleet = "kernl" }
  metric = "crashes"
  max    = 0
}

expect "no such architecture" {
  where  = { architecture = "user" }
  metric = "crashes"
  max    = 0
}

expect "no such key" {
  where  = { host = "kernel" }
  metric = "crashes"
  max    = 0
}

expect "no such update, rollout or recovery" {
  where  = { update = "good", rollout = "rings", recovery = "technicians" }
  metric = "crashes"
  max    = 0
}

expect "not an object" {
  where  = "kernel"
  metric = "crashes"
  max    = 0
}

expect "not a name" {
  where  = { fleet = ["kernel"] }
  metric = "crashes"
  max    = 0
}

expect "not a ratio" {
  metric = "overhead"
  max    = "a tenth"
}

expect "not a size" {
  metric = "memory_taken"
  max    = "8 megabytes"
}

expect "less than no time" {
  metric = "overhead"
  min    = -2
}
