package registry

// The limits of spec A16. Each refusal names the field, the limit and the
// value. Sizes are in bytes.
const (
	MaxIDBytes        = 512
	MaxReplayKeyBytes = 1024
	MaxStringBytes    = 4 << 10
	MaxJSONBytes      = 1 << 20
	// MaxMaterialisedBytes bounds a wake input, dedupe key or template text
	// after its selectors were evaluated.
	MaxMaterialisedBytes     = 1 << 20
	MaxRequestBytes          = 2 << 20
	MaxEventTypes            = 256
	MaxEventsPerProcess      = 100_000
	MaxGrantsPerSession      = 10_000
	MaxWakeTargetsPerSession = 10_000
	MaxTransferIDs           = 1_000
	MaxLeaseTTLMs            = 24 * 60 * 60 * 1000
	MaxSelectorDepth         = 16
	MaxJSONDepth             = 128
)

// MaxSelectorsPerEventType bounds the selectors of one event type, nested ones
// included. Every append of the type evaluates all of them over its payload,
// each up to the full size of a text, so their number must be small even where
// the registration has room for many more.
const MaxSelectorsPerEventType = 128

// MaxEventSequence is the highest sequence that an event can have: each of the
// four core terminal types may come after MaxEventsPerProcess others.
const MaxEventSequence = MaxEventsPerProcess + 4

// MaxBatchOperations bounds a batch, whose request is bounded by
// MaxRequestBytes like any other. Spec A26.
const MaxBatchOperations = 100

// The bounds of client sessions, spec A9. A session ends after so much lease
// time without a write, in milliseconds; answers are kept up to a number and to
// bytes a session, and to bytes in all.
const (
	SessionTTLMs          = 15 * 60 * 1000
	MaxSessions           = 100_000
	MaxSessionAnswers     = 256
	MaxSessionAnswerBytes = 1 << 20
	MaxAnswerBytes        = 256 << 20
)
