// Package architecture holds nothing but tests: the rules of ARCHITECTURE.md that a machine can check.
package architecture
