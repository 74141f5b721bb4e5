scenario "s" {}

fleet "kernel" {}

update "bad" {}

recovery "r" {
  strategy = "safe_mode"
}

expect "x" {}

matrix {}
