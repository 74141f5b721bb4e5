package scenarios

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// costs are the steps that calls take besides those for their arguments, by function: of those whose result may be
// longer than their arguments together, or that compare each with each. args are known and not null, size is the steps
// of them all.
var costs = map[string]func(args []cty.Value, size int64) int64{
	"distinct": func(args []cty.Value, size int64) int64 { return int64(args[0].LengthInt()) * size / 4 },
	"format": func(args []cty.Value, size int64) int64 {
		// Each verb may write an argument once more, and pad it.
		return int64(strings.Count(args[0].AsString(), "%")) * (size + maxFormatWidth/stepBytes)
	},
	"join": func(args []cty.Value, _ int64) int64 {
		separators := 0
		for _, list := range args[1:] {
			separators += list.LengthInt()
		}
		return textSteps(len(args[0].AsString()), separators)
	},
	"replace": func(args []cty.Value, _ int64) int64 {
		return textSteps(len(args[2].AsString()), strings.Count(args[0].AsString(), args[1].AsString()))
	},
	"sort":  func(_ []cty.Value, size int64) int64 { return 4 * size },
	"toset": func(_ []cty.Value, size int64) int64 { return 16 * size }, // each element is hashed
	"trim": func(args []cty.Value, _ int64) int64 {
		return textSteps(len(args[0].AsString()), len(args[1].AsString())/16)
	},
}

// textSteps are those of a text of so many bytes, so many times.
func textSteps(bytes, times int) int64 { return int64(bytes) * int64(times) / stepBytes }
