scenario "s" {
  description = "[2J"
}
