scenario "s" {
  deadline = "30m"
}

update "bad" {
  at    = "30s"
  fault = "none"
}

fleet "null" {
  for_each     = null
  architecture = "kernel"
  hosts        = 1
}

fleet "number" {
  for_each     = 3
  architecture = "kernel"
  hosts        = 1
}

fleet "numbers" {
  for_each     = [1, 2]
  architecture = "kernel"
  hosts        = each.value
}

fleet "none" {
  for_each     = []
  architecture = "kernel"
  hosts        = 1
}

fleet "bad-key" {
  for_each     = { "A B" = "kernel" }
  architecture = each.value
  hosts        = 1
}

fleet "bad-value" {
  for_each     = { a = "kernal", b = "user" }
  architecture = each.value
  hosts        = 1
}

fleet "twice" {
  for_each     = ["a", "a"]
  architecture = "user"
  hosts        = 1
}

fleet "BAD" {
  for_each     = ["a"]
  architecture = "user"
  hosts        = 1
}

fleet "each" {
  architecture = each.value
  hosts        = 1
}
