image "syntax" {
  description = "no end
}
