// Command bench measures what ARCHITECTURE.md promises of speed and size, and fails when a promise is broken. Times are
// told as ratios of things measured in turn in this run, because machines differ and are busy.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/vmimages"
)

// pairs is how often each of two things that are compared is measured.
const pairs = 5

// fleetHosts is the number of hosts of a fleet whose start is measured, unless hostsVariable says another.
const (
	fleetHosts    = 50
	hostsVariable = "BENCH_HOSTS"
)

// markdownFile is where the table is kept for make readme.
const markdownFile = "bin/bench.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 {
		if err := doAlone(ctx, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	kept, err := run(ctx)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(3)
	case !kept:
		os.Exit(1)
	}
}

func run(ctx context.Context) (kept bool, err error) {
	n, err := hostsToStart()
	if err != nil {
		return false, err
	}
	image, err := vmimages.Build(ctx, "tiny", vmimages.Options{})
	if err != nil {
		return false, err
	}
	scratch, err := os.MkdirTemp("", "fleetfall-bench-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	var t table
	add := func(rows ...row) {
		for _, r := range rows {
			fmt.Fprintf(os.Stderr, "%s: %s\n", r.name, r.measured)
		}
		t.rows = append(t.rows, rows...)
	}
	for _, measure := range []func(context.Context, string, vmimages.Image) (row, error){
		imageSize, secondBuild, coldBoot, orchestratorMemory, eventCost, queueMemory, reportSize, largeReport, mergedShards, matrixTime, validateTime,
	} {
		r, err := measure(ctx, scratch, image)
		if err != nil {
			return false, err
		}
		add(r)
	}
	rows, err := interpreter(ctx, scratch)
	if err != nil {
		return false, err
	}
	add(rows...)
	if t.machine, err = measureFleets(ctx, image, n, add); err != nil {
		return false, err
	}
	if err := os.WriteFile(markdownFile, t.markdown(), 0o644); err != nil {
		return false, err
	}
	return !slices.ContainsFunc(t.rows, func(r row) bool { return r.mark == broken }), t.writeText(os.Stdout)
}

// hostsToStart is fleetHosts or, for trying, what the environment says.
func hostsToStart() (int, error) {
	text, set := os.LookupEnv(hostsVariable)
	if !set {
		return fleetHosts, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%q: want a number of hosts", hostsVariable, text)
	}
	return n, nil
}

// measureFleets measures all that needs fleets of n hosts, and tells on which machine and by which command.
func measureFleets(ctx context.Context, image vmimages.Image, n int, add func(...row)) (machine string, err error) {
	t, err := openTestbed(ctx, image)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, closing(ctx, t.hypervisor.Close)) }()
	for _, measure := range append([]measurement{starts, hundred}, virtual()...) {
		rows, err := measure(ctx, t, n)
		if err != nil {
			return "", err
		}
		add(rows...)
	}
	command := "`make bench`"
	if n != fleetHosts {
		command = fmt.Sprintf("`make bench %s=%d`", hostsVariable, n)
	}
	return command + " on " + t.describe(), nil
}

func imageSize(_ context.Context, _ string, image vmimages.Image) (row, error) {
	return row{
		"image tiny with its kernel", fmt.Sprintf("%.1f MB", float64(image.Bytes)/1e6), "under 40 MB", held(image.Bytes < 40e6),
	}, nil
}

func secondBuild(ctx context.Context, _ string, _ vmimages.Image) (row, error) {
	took, err := median(func() (time.Duration, error) {
		start := time.Now()
		_, err := vmimages.Build(ctx, "tiny", vmimages.Options{})
		return time.Since(start), err
	})
	return row{"second image build", took.Round(time.Millisecond).String(), "under 1s", held(took < time.Second)}, err
}

func validateTime(ctx context.Context, _ string, _ vmimages.Image) (row, error) {
	took, err := median(func() (time.Duration, error) {
		start := time.Now()
		out, err := exec.CommandContext(ctx, "bin/fleetfall", "validate", "channel-file-291").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("fleetfall validate: %w\n%s", err, out)
		}
		return time.Since(start), err
	})
	return row{"fleetfall validate, whole process", took.Round(time.Millisecond).String(), "under 50ms", held(took < 50*time.Millisecond)}, err
}

// median measures several times.
func median(measure func() (time.Duration, error)) (time.Duration, error) {
	var all []time.Duration
	for range pairs {
		d, err := measure()
		if err != nil {
			return 0, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// coldBoot compares a host, from its boot action to its first beat, with the same kernel that boots into a busybox that
// says a word.
func coldBoot(ctx context.Context, scratch string, image vmimages.Image) (row, error) {
	bare, err := newBareBoot(scratch, image)
	if err != nil {
		return row{}, err
	}
	hosts, err := newHostBoot(ctx, image)
	if err != nil {
		return row{}, err
	}
	defer hosts.close(ctx)
	var ratios []float64
	var told []string
	for range pairs {
		b, err := bare.boot(ctx)
		if err != nil {
			return row{}, err
		}
		h, err := hosts.boot(ctx)
		if err != nil {
			return row{}, err
		}
		ratios = append(ratios, ratio(h, b))
		told = append(told, strconv.FormatFloat(h.Seconds(), 'f', 2, 64)+"/"+strconv.FormatFloat(b.Seconds(), 'f', 2, 64))
	}
	slices.Sort(ratios)
	middle := ratios[len(ratios)/2]
	return row{
		"cold boot to first beat / bare kernel and busybox",
		fmt.Sprintf("%.2f x, %.2f to %.2f (s: %s)", middle, ratios[0], ratios[len(ratios)-1], strings.Join(told, " ")),
		"at most 1.5 x", held(middle <= 1.5),
	}, nil
}
