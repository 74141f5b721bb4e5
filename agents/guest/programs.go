package main

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// patience is how long an execution may take before it counts as failed.
const patience = 10 * time.Second

var errHangs = errors.New("the execution does not end")

// execute runs a program of the image, without arguments or descriptors, to its end. took is from the attempt to the
// end, refused or not.
func execute(path string) (took time.Duration, err error) {
	start := time.Now()
	process, err := os.StartProcess(path, []string{path}, &os.ProcAttr{Dir: "/", Env: []string{}})
	if err != nil {
		return time.Since(start), err
	}
	state, err := process.Wait()
	took = time.Since(start)
	if err == nil && !state.Success() {
		err = fmt.Errorf("%s: %s", path, state)
	}
	return took, err
}

// executeWatched runs a program like execute and calls note with how it went: once, or, when the execution hangs, once
// for every stretch of patience with errHangs. It returns when the execution has ended.
func executeWatched(path string, patience time.Duration, note func(took time.Duration, err error)) {
	type outcome struct {
		took time.Duration
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		took, err := execute(path)
		ended <- outcome{took, err}
	}()
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	hung := time.Duration(0)
	for {
		select {
		case o := <-ended:
			if hung == 0 {
				note(o.took, o.err)
			}
			return
		case <-ticker.C:
			hung += patience
			note(patience, errHangs)
		}
	}
}
