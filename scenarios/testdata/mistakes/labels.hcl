scenario {
  deadline = "30m"
}

fleet "a" "b" {
  architecture = "kernel"
  hosts = 1
}

update "Bad Update" {
  at    = "30s"
  fault = "none"
}

rollout "-x" {}

recovery "a-name-that-is-a-good-deal-longer-than-forty-characters" {}

guest "x" {}

expect "" {
  metric = "crashes"
  max    = 0
}

expect "two\nlines" {
  metric = "crashes"
  max    = 0
}
