# Of two host blocks one cannot be read: whether there is room for the fleet is not known.
scenario "s" {
  deadline = "30m"
}

host "a" {
  uri = "qemu:///system"
}

host {
  uri = "qemu+tls://b.example.org/system"
}

fleet "two-machines" {
  architecture = "kernel"
  hosts        = 1000
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}
