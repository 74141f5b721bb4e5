// Package test holds the interpreter in C against agents/content in Go, RFC 8032 and the standard library's Ed25519,
// under the sanitizers; and shows that the defect is there. It is a directory of its own because Go allows no C files
// beside Go files. harness/ holds the C side: a driver, a fuzz target, what make
// bench measures, and a deps.h for user space.
package test
