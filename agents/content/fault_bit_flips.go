package content

import "math/rand/v2"

// bitFlips is a file that was damaged in the vendor's build, before it was signed.
func bitFlips() Fault {
	const bits, draw = "bits", "seed"
	return Fault{
		Name:    "bit_flips",
		Summary: "Some bits of the payload are flipped; a seed decides which.",
		Defect:  "whatever the bits happen to meet: the loader holds lengths and limits against nothing",
		Effect: "depends on the seed: with one bit 42 % are refused, 58 % loaded as they were meant or with another meaning, and two " +
			"in a thousand have a rule look at an input that no sensor supplies, of which C reads the length alone; with two bits 66 % " +
			"are refused, with four 88 %, with eight 98 %",
		Parameters: []Parameter{{
			Name: bits, Summary: "how many", Default: "1", check: wholeNumber(1, 1024),
		}, {
			Name: draw, Summary: "which ones, the same in each repeat; 0 leaves it to the scenario's seed, and draws anew in each", Default: "0",
			check: wholeNumber(0, 1<<31-1),
		}},
		body: func(version, seed uint64, p Params) ([]byte, error) {
			body, err := Encode(Update(version))
			if err != nil {
				return nil, err
			}
			if own := p.number(draw); own != 0 {
				seed = uint64(own)
			}
			chance := rand.New(rand.NewPCG(seed, 8))
			payload := body[headerSize:]
			for _, bit := range chance.Perm(8 * len(payload))[:p.number(bits)] {
				payload[bit/8] ^= 1 << (bit % 8)
			}
			return body, nil
		},
	}
}
