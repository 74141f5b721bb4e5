package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const patience = protocol.Patience

var errHangs = errors.New("it does not end")

// start runs a program of the image to its end and returns how it ended. It has output as its only descriptor, or none if
// that is nil.
func start(output *os.File, command ...string) (*os.ProcessState, error) {
	attributes := &os.ProcAttr{Dir: "/", Env: []string{}}
	if output != nil {
		attributes.Files = []*os.File{nil, output}
	}
	process, err := os.StartProcess(command[0], command, attributes)
	if err != nil {
		return nil, err
	}
	return process.Wait()
}

// execute runs a program of the image, without descriptors, to its end. A program that ends in failure is an error.
func execute(command ...string) error {
	state, err := start(nil, command...)
	if err == nil && !state.Success() {
		err = fmt.Errorf("%s: %s", command[0], state)
	}
	return err
}

// watch does an act and calls note with how it went and how long it took: once, or, when the act hangs, once for every stretch
// of patience with errHangs. It returns when the act has ended. An act that panics has failed.
func watch(patience time.Duration, act func() error, note func(took time.Duration, err error)) {
	type outcome struct {
		took time.Duration
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		start := time.Now()
		var err error
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("panic: %v", cause)
			}
			ended <- outcome{time.Since(start), err}
		}()
		err = act()
	}()
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	hung := false
	for {
		select {
		case o := <-ended:
			if !hung {
				note(o.took, o.err)
			}
			return
		case <-ticker.C:
			hung = true
			note(patience, errHangs)
		}
	}
}
