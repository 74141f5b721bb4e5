# --var hosts=four
# --var memory=96MB
# --var at=8lightyears
# --var hosts_on=4
# --var pace=lognormal(
# --var pace2=lognormal("4m",
# --var pace3=lognormal("4m", var.hosts)
# --var archs=["kernel"
# --var even=3
# --env FLEETFALL_VAR_reps=x
# --env FLEETFALL_VAR_hots=4
# --env FLEETFALL_VAR_unrelated-to-this=4
# --env HOME=/
# --var-file missing.hcl
# --var-file testdata/mistakes/variables.vars
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

variable "hosts" {
  type    = number
  default = 4
}

variable "memory" {
  type    = size
  default = "96MiB"
}

variable "at" {
  type    = duration
  default = "8"
}

variable "hands_on" {
  type    = distribution
  default = 5
}

variable "pace" {
  type = distribution
}

variable "pace2" {
  type = distribution
}

variable "pace3" {
  type = distribution
}

variable "reps" {
  default = 1
}

variable "archs" {
  type    = list(string)
  default = []
}

variable "typed" {
  type    = numbr
  default = 1
}

variable "composed" {
  type    = lst(number)
  default = 1
}

variable "constant" {
  default = var.hosts
}

variable "nothing" {
  type = string
}

variable "bad name" {
  default = 1
}

variable "from_file" {
  type    = number
  default = 1
}

variable "even" {
  type    = number
  default = 2
  validation {
    condition     = var.even % 2 == 0
    error_message = "It must be even."
  }
  validation {
    condition = var.evn
  }
}
