//go:build race

package scenarios

// underRace: with the race detector a load takes ten times as long, so that of what takes long only some is done;
// make test does the rest without it.
const underRace = true
