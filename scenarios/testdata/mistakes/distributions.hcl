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

recovery "a" {
  hands_on = lognormal("4m")
}

recovery "b" {
  hands_on = lognormal("4 m", 0.5)
}

recovery "c" {
  hands_on = lognormal("0s", 0.5)
}

recovery "d" {
  hands_on = uniform("5m", "4m")
}

recovery "e" {
  hands_on = weibull("5m", 0)
}

recovery "f" {
  hands_on = normal("5m", "1m")
}

recovery "g" {
  hands_on = 5
}

recovery "h" {
  hands_on = { distribution = "zipf", a = "1s", b = "0s", p = 1 }
}

recovery "i" {
  hands_on = "5"
}

recovery "j" {
  hands_on = uniform("5m", "6")
}

recovery "k" {
  hands_on = lognormal("5m", 50)
}

recovery "l" {
  hands_on = exponential("400d")
}
