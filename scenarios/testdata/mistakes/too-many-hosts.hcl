scenario "s" {
  deadline = "30m"
}

host "a" {
  uri = "qemu:///system"
}

host "b" {
  uri = "qemu+tls://b.example.org/system"
}

fleet "two-machines" {
  architecture = "kernel"
  hosts        = 1000
}

fleet "three-machines" {
  architecture = "kernel"
  hosts        = 1001
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}
