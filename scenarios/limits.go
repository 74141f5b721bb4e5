package scenarios

import "time"

// Limits of the language. They are far above what a sensible scenario needs; they are here so that a slip of the pen
// costs a diagnostic and not a machine.
const (
	maxSource      = 64 << 10 // bytes of a scenario or variable file
	maxNesting     = 64       // brackets open at the same time
	maxExponent    = 3        // digits of a number's exponent, or of a width in format()
	maxFormatWidth = 1000     // characters that such a width adds
	maxDepth       = 512      // expressions inside each other, with brackets or without
	maxSteps       = 1 << 20  // of evaluation, see budget; the largest built-in scenario, the matrix, takes 110,000
	maxNumber      = 1e30     // magnitude of a variable or local
	maxString      = 4 << 10  // bytes of a variable's or local's strings
	maxElements    = 1024     // elements of a variable or local, at all levels
	// maxIntermediate bounds texts within an expression, in bytes, and maxBinaryExponent numbers: what is beyond takes
	// long to write.
	maxIntermediate   = 64 << 10
	maxBinaryExponent = 4096

	maxDiagnostics  = 50 // reported for one load
	maxSyntaxErrors = 5  // of them, what the parser says

	maxName    = 40 // characters of a block's name
	maxText    = 400
	maxFleet   = 10_000_000 // hosts; what a backend can hold it says itself, see Backend
	maxCells   = 256
	maxSamples = 10_000 // cells times repeats
	maxRepeat  = 1000
	maxMetric  = 1e12

	// maxSeed is the largest integer that every reader of JSON gets exactly (RFC 8259, section 6).
	maxSeed = 1<<53 - 1
	// maxDuration bounds every duration in a scenario, and every sample of a distribution.
	maxDuration = 365 * 24 * time.Hour
)

const (
	minMemory = 32 << 20 // bytes; less does not hold a stock kernel and its initramfs
	maxMemory = 64 << 30
)
