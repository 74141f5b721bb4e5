# --clock wal
scenario "s" {
  deadline = "30m"
  clock    = var.clock
}

variable "clock" {
  default = "virtaul"
}

fleet "kernel" {
  architecture = "kernel"
  hosts        = 4
}

update "bad" {
  at    = "30s"
  fault = "field_count"
}
