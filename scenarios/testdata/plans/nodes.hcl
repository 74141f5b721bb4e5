# --var rack=["c", "d"]
scenario "nodes" {
  deadline = "30m"
}

variable "rack" {
  type    = list(string)
  default = []
}

host "here" {
  uri = "qemu:///session?socket=/run/user/1000/libvirt/libvirt-sock"
}

host "also-here" {
  uri = "qemu+unix:///system"
}

host "big" {
  uri = "qemu+ssh://root@[fe80::1]:2222/system"
}

dynamic "host" {
  for_each = var.rack
  labels   = ["rack-${host.value}"]
  content {
    uri = "qemu+tls://${host.value}.example.org/system"
  }
}

# What one machine does not hold; its control arm, which nobody wrote, starts and is split as it does.
fleet "kernel" {
  architecture = "kernel"
  hosts        = 2500
  boot         = "cold"
  waves        = true
}

fleet "user" {
  architecture = "user"
  hosts        = 4
  waves        = false
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}
