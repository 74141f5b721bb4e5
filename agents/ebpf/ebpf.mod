// What the daemon is built from, in an image's build: go build -modfile=ebpf.mod, with the sums of ebpf.sum.
module github.com/fleetfall/fleetfall

go 1.26.0

require (
	github.com/cilium/ebpf v0.22.0
	golang.org/x/sys v0.49.0 // indirect
)
