package scenarios

import (
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions is what expressions can call. Left out on purpose: anything that reads a file, a clock or randomness, which
// would make two loads of one source differ, and what can multiply its input beyond the limits (setproduct, pow).
func functions() map[string]function.Function {
	return map[string]function.Function{
		// Numbers
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "max": stdlib.MaxFunc,
		"min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "signum": stdlib.SignumFunc,
		// Text
		"format": formatFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "replace": stdlib.ReplaceFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "substr": stdlib.SubstrFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc,
		// Collections
		"coalesce": stdlib.CoalesceFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		// Conversions
		"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "tonumber": stdlib.MakeToFunc(cty.Number),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), "tostring": stdlib.MakeToFunc(cty.String),
		// Distributions
		fixed: distributionFunc(fixed, "value", ""), uniform: distributionFunc(uniform, "min", "max"),
		exponential: distributionFunc(exponential, "mean", ""), lognormal: distributionFunc(lognormal, "median", "sigma"),
		weibull: distributionFunc(weibull, "scale", "shape"),
	}
}

// formatFunc is format without the means to make gigabytes of padding.
var formatFunc = function.New(&function.Spec{
	Description: stdlib.FormatFunc.Description(),
	Params:      stdlib.FormatFunc.Params(),
	VarParam:    stdlib.FormatFunc.VarParam(),
	Type: func(args []cty.Value) (cty.Type, error) {
		if f := args[0]; f.IsKnown() && !f.IsNull() {
			digits := 0
			for _, r := range f.AsString() {
				if r < '0' || r > '9' {
					digits = 0
				} else if digits++; digits > maxExponent {
					return cty.String, function.NewArgErrorf(0,
						"numbers in it may have %d digits; put longer ones into an argument", maxExponent)
				}
			}
		}
		return stdlib.FormatFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return stdlib.FormatFunc.Call(args) },
})

// distributionType is the one type of all distributions, so that a conditional can choose between two kinds. Its
// durations are text, in the language's own units.
var distributionType = cty.Object(map[string]cty.Type{
	"distribution": cty.String, "a": cty.String, "b": cty.String, "p": cty.Number,
})

// distributionFunc makes the function of one kind; second is "" when it has one parameter, and a number rather than a
// duration except for a uniform distribution.
func distributionFunc(kind, first, second string) function.Function {
	params := []function.Parameter{{Name: first, Type: cty.String}}
	switch {
	case kind == uniform:
		params = append(params, function.Parameter{Name: second, Type: cty.String})
	case second != "":
		params = append(params, function.Parameter{Name: second, Type: cty.Number})
	}
	return function.New(&function.Spec{
		Description: "A " + kind + " distribution of durations.",
		Params:      params,
		Type:        function.StaticReturnType(distributionType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			d := Distribution{Kind: kind}
			a, err := parseDuration(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			d.A = Duration(a)
			switch {
			case kind == uniform:
				b, err := parseDuration(args[1].AsString())
				if err != nil {
					return cty.NilVal, function.NewArgError(1, err)
				}
				if d.B = Duration(b); d.B < d.A {
					return cty.NilVal, function.NewArgErrorf(1, "%q is less than the minimum %q; exchange them",
						args[1].AsString(), args[0].AsString())
				}
			case second != "":
				d.P, _ = args[1].AsBigFloat().Float64()
			}
			if err := d.Validate(); err != nil {
				return cty.NilVal, err
			}
			return distributionValue(d), nil
		},
	})
}

func distributionValue(d Distribution) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"distribution": cty.StringVal(d.Kind), "a": cty.StringVal(durationText(time.Duration(d.A))),
		"b": cty.StringVal(durationText(time.Duration(d.B))), "p": cty.NumberFloatVal(d.P),
	})
}

// toDistribution is the inverse of distributionValue; it also takes a duration as text, for a fixed one. v is known.
func toDistribution(v cty.Value) (Distribution, error) {
	if v.Type() == cty.String {
		a, err := parseDuration(v.AsString())
		if err != nil {
			return Distribution{}, err
		}
		d := Distribution{Kind: fixed, A: Duration(a)}
		return d, d.Validate()
	}
	if !v.Type().Equals(distributionType) || !v.IsWhollyKnown() {
		return Distribution{}, fmt.Errorf(`%s is no distribution; write one such as lognormal("4m", 0.5), or a duration`,
			typeName(v.Type()))
	}
	for _, part := range v.AsValueMap() {
		if part.IsNull() {
			return Distribution{}, fmt.Errorf("the distribution has a part without a value")
		}
	}
	d := Distribution{Kind: v.GetAttr("distribution").AsString()}
	a, err := parseDuration(v.GetAttr("a").AsString())
	if err != nil {
		return Distribution{}, err
	}
	b, err := parseDuration(v.GetAttr("b").AsString())
	if err != nil {
		return Distribution{}, err
	}
	d.A, d.B = Duration(a), Duration(b)
	d.P, _ = v.GetAttr("p").AsBigFloat().Float64()
	return d, d.Validate()
}
