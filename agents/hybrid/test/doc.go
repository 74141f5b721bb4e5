// Package test runs the hybrid agent's daemon with the test as its guest program and as its kernel module. It is a directory of
// its own because Go allows no C files beside Go files; harness/ holds the daemon's main for tests.
package test
