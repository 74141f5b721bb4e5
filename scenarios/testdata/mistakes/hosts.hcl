scenario "s" {
  deadline = "30m"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
  boot         = "clon"
  waves        = "sometimes"
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}

host "big" {
  uri = "qemu+tls://big.example.org/system"
}

host "big" {
  uri = "qemu+tls://bigger.example.org/system"
}

host "large" {
  uri = "qemu+tls://BIG.example.org:16514/system?no_verify=1"
}

host "local" {
  uri = "qemu:///system"
}

dynamic "host" {
  for_each = ["unix"]
  labels   = ["local-${host.value}"]
  content {
    uri = "qemu+${host.value}:///system"
  }
}

host "Rack 1" {
  uri = "qemu+tcp://rack1.example.org/system"
}

host "nothing" {}

host "null" {
  uri = null
}

host "empty" {
  uri = ""
}

host "number" {
  uri = 4
}

host "list" {
  uri = ["qemu:///system"]
}

host "undeclared" {
  uri = var.their ? "qemu:///session" : null
}

host "no-scheme" {
  uri = "big.example.org"
}

host "colon" {
  uri = "qemu+tcp://big.example.org:tls/system"
}

host "socket" {
  uri = "qemu:///system?socket=%2"
}

host "scheme" {
  uri = "qemu-tls://big.example.org/system"
}

host "driver" {
  uri = "vmware://big.example.org/system"
}

host "nobody" {
  uri = "qemu+ssh:///system"
}

host "only-a-port" {
  uri = "qemu+tcp://:16509/system"
}

host "not-here" {
  uri = "qemu://big.example.org/system"
}

host "path" {
  uri = "qemu+ssh://big.example.org/sytem"
}

host "no-path" {
  uri = "qemu+ssh://big.example.org"
}

host "secret" {
  uri = "qemu+ssh://root:hunter2@other.example.org/system"
}

host "port" {
  uri = "qemu+tls://big.example.org:99999/system"
}

host "two" "names" {
  uri = "qemu+tls://two.example.org/system"
}

host "url" {
  url = "qemu+tls://url.example.org/system"
}
