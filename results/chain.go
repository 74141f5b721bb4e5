package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Every line of a journal ends in a checksum, as in
//
//	{"k":"event","trial":2,"at":5,"host":"kernel-01","what":"beat","data":{…},"sum":"0123456789abcdef"}
//
// It is the first 16 hexadecimal digits of the SHA-256 of the sum before it and of the line's own bytes up to
// `,"sum":`, but for the trial's number. It finds accidents of disks and copies, and edits that were not meant to
// deceive. It is no signature: whoever can write the file can compute it.
//
// There is one chain of sums for each trial, from its header to its end, and one for the entries that are of no trial:
// run, resume and run_end. So the lines of a trial are a segment that is whole or damaged by itself. It can be moved
// into another journal under another number, and two runs of one seed that came out the same have the same sums. An
// entry that is changed, missing, twice, or in another's place breaks its chain there. An end needs no count of
// entries: its sum covers all that came before.
//
// What a trial's chain cannot tell, the others do. Trials are numbered 1, 2, 3, … in the order in which they begin, so
// that one that is missing or in another's place is noticed. Several may be under way at a time, whose entries then
// lie among each other: no more than the header says, so that of trials that are run one after another one that lost
// its end is noticed at once. The entries resume and run_end list the latest sum of every trial so far, so that any
// that lost its end, or is another run's, is noticed there.
//
// What is cut off the end of a journal cannot be missed, whole lines or parts of one: it is then the journal of a run
// that was killed there, and says so. Of such a run, the last resume entry cannot be missed either if every trial
// before it has its end.
const sumDigits = 16

// Where chains begin: sums before the first one.
const (
	beginsRun   = "fleetfall-run..."
	beginsTrial = "fleetfall-trial."
)

// Versions of a journal.
const (
	// journalSchema is what is written.
	journalSchema = 3
	// journalWithoutSums is the first, whose entries carry no checksums. In the second, each host of a trial stands by
	// itself. Both are read, and a run that began with one goes on with it.
	journalWithoutSums = 1
)

// chains are where the chains of a journal stand, and which trials are under way. The writer and the reader both
// follow them.
type chains struct {
	sums   bool         // entries carry checksums
	run    string       // sum of the latest entry of no trial
	trials []string     // of each trial, the sum of its latest entry, or "" without sums
	open   map[int]bool // numbers of the trials that are under way
	atOnce int          // trials that may be, as Header.AtOnce has it
	buffer []byte       // for next
}

func newChains(schema, atOnce int) *chains {
	return &chains{sums: schema != journalWithoutSums, run: beginsRun, open: map[int]bool{}, atOnce: atOnce}
}

// next takes the next entry of this kind, and returns its sum; "" without sums. line is what the sum covers and the
// trial's number.
func (c *chains) next(kind Kind, trial int, line []byte) (string, error) {
	at := &c.run
	switch kind {
	case KindRun, KindResume, KindRunEnd:
		if trial != 0 {
			return "", fmt.Errorf("%s is of trial %d, and is to be of none", kind, trial)
		}
		clear(c.open)
	case KindTrial:
		switch now := len(c.trials); {
		case trial > 0 && trial <= now:
			return "", fmt.Errorf("trial %d begins twice", trial)
		case trial != now+1:
			return "", fmt.Errorf("trial %d begins where trial %d was to begin", trial, now+1)
		case len(c.open) >= max(1, c.atOnce):
			first := slices.Min(slices.Collect(maps.Keys(c.open)))
			return "", fmt.Errorf("trial %d begins, and trial %d has no end: %d at a time may be under way",
				trial, first, max(1, c.atOnce))
		}
		c.trials = append(c.trials, beginsTrial)
		c.open[trial] = true
		at = &c.trials[trial-1]
	case KindEvent, KindAction, KindMark, KindTrialEnd:
		switch {
		case trial < 1 || trial > len(c.trials):
			return "", fmt.Errorf("%s of trial %d, which has not begun", kind, trial)
		case !c.open[trial]:
			return "", fmt.Errorf("%s of trial %d, which was over", kind, trial)
		}
		if kind == KindTrialEnd {
			delete(c.open, trial)
		}
		at = &c.trials[trial-1]
	default:
		return "", fmt.Errorf("unknown kind of entry %q", kind)
	}
	if !c.sums {
		*at = ""
		return "", nil
	}
	before, after := withoutTrial(line)
	c.buffer = append(append(append(c.buffer[:0], *at...), before...), after...)
	sum := sha256.Sum256(c.buffer)
	*at = hex.EncodeToString(sum[:sumDigits/2])
	return *at, nil
}

// withoutTrial is a line without its trial's number: what comes before and after it. The number is the second field.
func withoutTrial(line []byte) (before, after []byte) {
	const field = `,"trial":`
	kind := bytes.IndexByte(line, ',')
	if kind < 0 || !bytes.HasPrefix(line[kind:], []byte(field)) {
		return line, nil
	}
	end := kind + len(field)
	for end < len(line) && line[end] >= '0' && line[end] <= '9' {
		end++
	}
	return line[:kind], line[end:]
}

const (
	beforeSum = `,"sum":"`
	afterSum  = `"}`
)

// appendSum ends what a sum covers, a JSON object that is still open, with the sum.
func appendSum(covered []byte, sum string) []byte {
	covered = append(covered, beforeSum...)
	return append(append(covered, sum...), afterSum...)
}

// cutSum takes a line apart into what its sum covers, and the sum.
func cutSum(line []byte) (covered []byte, sum string, err error) {
	at := len(line) - len(beforeSum) - sumDigits - len(afterSum)
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(beforeSum)) || !bytes.HasSuffix(line, []byte(afterSum)) {
		return nil, "", errors.New("damaged: it does not end in a checksum, as every line of this journal does")
	}
	return line[:at], string(line[at+len(beforeSum) : len(line)-len(afterSum)]), nil
}

// check takes the next entry as next does, and holds its line against the sum that it is to end in.
func (c *chains) check(e Entry, line []byte) error {
	covered, said, err := cutSum(line)
	switch {
	case c.sums && err != nil:
		return err
	case !c.sums && err == nil:
		return fmt.Errorf("damaged: it ends in a checksum, and a journal of schema %d has none", journalWithoutSums)
	case !c.sums:
		_, err := c.next(e.Kind, e.Trial, nil)
		return err
	}
	sum, err := c.next(e.Kind, e.Trial, covered)
	switch {
	case err != nil:
		return err
	case sum != said:
		return errors.New("damaged: its checksum is not that of this line and those before it: " +
			"one of them was changed, or is missing, twice or in another place")
	case e.Kind != KindResume && e.Kind != KindRunEnd:
		return nil
	}
	for i := range max(len(c.trials), len(e.Trials)) {
		if i >= min(len(c.trials), len(e.Trials)) || c.trials[i] != e.Trials[i] {
			return otherTrial(i + 1)
		}
	}
	return nil
}

// otherTrial is the error for the trial of this number.
type otherTrial int

func (n otherTrial) Error() string {
	return fmt.Sprintf("damaged: trial %d is not the one that was recorded: it was cut short, or another is in its place",
		int(n))
}
