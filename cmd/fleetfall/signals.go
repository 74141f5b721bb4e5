package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends with the first signal that asks the program to: Ctrl-C, SIGTERM, or
// SIGHUP, which is a terminal that was closed. stop lets go of it.
//
// A second Ctrl-C or SIGTERM ends the program the hard way: what it leaves is what gc is for. A second SIGHUP does
// not, because a terminal that is closed sends one by the shell and one by the kernel. A program that was started by
// nohup goes on at a SIGHUP.
func interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	asked := make(chan os.Signal, 1)
	again := []os.Signal{os.Interrupt, syscall.SIGTERM}
	signal.Notify(asked, again...)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(asked, syscall.SIGHUP)
	}
	go func() {
		select {
		case s := <-asked:
			cancel(fmt.Errorf("%v signal received", s))
			signal.Reset(again...)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); signal.Stop(asked) }
}

// surviveLostOutput has a write to a pipe that nobody reads any more be an error, and not the program's end: the
// reader of a run's lines may be gone, and its hosts are still to be taken down. Asked for rather than ignored, the
// signal still ends the programs that this one starts.
func surviveLostOutput() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
