# --backend paper
scenario "s" {
  deadline = "30m"
  backend  = "paper"
  clock    = "virtual"
}

host "big" {
  uri = "qemu+tls://big.example.org/system"
}

fleet "each" {
  for_each     = ["kernel", "ebpf"]
  architecture = each.value
  hosts        = 4
}

fleet "dumped" {
  architecture = "kernel"
  hosts        = 1
  crash_dump   = true
}

update "u" {
  at    = "1s"
  fault = "field_count"
}

recovery "nobody" {}

recovery "technicians" {
  hands_on = "4m"
}
