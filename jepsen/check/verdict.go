package check

import (
	"fmt"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// Sentence is one promise that is checked.
type Sentence string

// The sentences.
const (
	AnswersAgree     Sentence = "every answer is the one that the model gives at the answer's revision"
	AnswersCarryInfo Sentence = "every answer of the state carries its revision, clocks and term"
	RealTimeOrder    Sentence = "an operation that had returned before another was called has no greater revision, clock or lease time"
	ClocksGrow       Sentence = "clock and lease time never go back as revisions grow"
	Linearizable     Sentence = "the history has a linearization: porcupine finds one without looking at revisions"
	AckedStays       Sentence = "every acked event is in the log, exactly where it was acked, with the type, payload and replay key that were sent"
	AtMostOnce       Sentence = "an event is in the log at most once, acked or not, however often it was sent under its replay key"
	FirstAnswer      Sentence = "the answer to an append is the event as it is in the log, with its time: that of the first and only time"
	MovedOnce        Sentence = "a handle that one client alone moves is where the acked transfers have brought it: none happened twice"
	RefusedIsAbsent  Sentence = "an append that was refused left no event"
	NothingInvented  Sentence = "every event in the log was sent by somebody"
	LogIsDense       Sentence = "the events of a process have the sequences 1, 2, 3 and so on"
	FenceHolds       Sentence = "once an event under a greater fencing token is in the log, none under a smaller one follows"
	StaleIsRefused   Sentence = "no write is accepted under a lease that was released or superseded before the write was called"
	EndIsFinal       Sentence = "a process whose completion was acked stays as it was completed"
	LivesAreApart    Sentence = "nothing of a life of a process that was pruned shows in a later one"
	BatchIsWhole     Sentence = "a batch happens whole and at one moment, or not at all"
	TokensAreUnique  Sentence = "no two grants of a lease have the same fencing token"
	TokensGrow       Sentence = "a claim gets a greater fencing token than every grant that was acked before it was called, or has a smaller revision"
	OneHolder        Sentence = "at most one owner holds the lease of a process at any lease time: none is granted before the one before has ended"
	NoEarlyRetry     Sentence = "claim-next hands out no process before the delay of its release is over"
	OnlyWhatRuns     Sentence = "claim-next hands out no process whose completion was acked"
	AttemptsCount    Sentence = "each time that claim-next hands out a process has a greater number than the one before"
	WorkIsFound      Sentence = "when the faults are over, claim-next hands out within ten seconds what is ready"
	NoEarlyEnd       Sentence = "no lease ends before its ttl has passed in lease time, and lease time passes no faster than real time"
	LeasesOutlive    Sentence = "while no majority can write, no lease time passes, but for two seconds where the leader stays, and one where it does not: an interruption ends no lease that has more left"
	LeaseTimePasses  Sentence = "while nothing is wrong, lease time keeps up with real time to within a second, so an interruption lengthens leases by no more than its length and that"
	ExpiredIsFree    Sentence = "while nothing is wrong, a lease that is not renewed can be claimed a second after its ttl at the latest"
	WatchIsDense     Sentence = "a watch brings the events of one life behind its cursor, in order, each once"
	WatchIsLog       Sentence = "every event that a watch brings is the event that the log of that life has"
	WatchIsCommitted Sentence = "a watch brings nothing that nobody wrote, and nothing that is not in the log in the end, unless its life was pruned"
	WatchIsFresh     Sentence = "a stream begins no earlier than what was acked before: no process is unknown then, no earlier life the present one"
	StreamEnds       Sentence = "a watch ends only with its life, or where there is no process; a feed only where it cannot be continued"
	StreamResumes    Sentence = "a stream that goes on from a cursor goes on just behind what the one before had brought"
	NodesFollow      Sentence = "no node sends on a stream what does not follow what it sent before, or was not asked for; clients see that, and open the stream again"
	StreamsCatchUp   Sentence = "when nothing is wrong and nothing is written any more, every stream has brought all that there is after 20 seconds"
	FeedIsDense      Sentence = "a feed brings the changes of every revision behind its cursor, in order, each once"
	FeedIsTrue       Sentence = "what a feed tells of a revision that an acked write made is what this write did: process, life, kind and sequence"
	FeedsAgree       Sentence = "all feeds tell the same of each revision, whichever node they are from"
	FeedIsExplained  Sentence = "a feed brings no change that nobody asked for, and none that does not fit the life of its process"
	ReplicasAgree    Sentence = "all replicas hold the same state at the same log entry"
	NodesStay        Sentence = "no node ends that was not told to"
	LeaderReturns    Sentence = "after every fault the cluster serves again through every node"
)

// Violation is a promise that did not hold.
type Violation struct {
	Sentence Sentence `json:"sentence"`
	// Detail says where it did not hold; Ops are the operations it is about.
	Detail string `json:"detail"`
	Ops    []int  `json:"ops,omitempty"`
	AtNs   int64  `json:"at_ns,omitempty"`
}

// Error implements error.
func (v Violation) Error() string { return fmt.Sprintf("VIOLATED: %s\n%s", v.Sentence, v.Detail) }

func violated(sentence Sentence, format string, args ...any) Violation {
	return Violation{Sentence: sentence, Detail: fmt.Sprintf(format, args...)}
}

// about adds the operations that a violation is about.
func (v Violation) about(ops ...*history.Op) Violation {
	for _, o := range ops {
		index := o.Index
		if o.Whole != nil {
			index = o.Whole.Index
		}
		v.Ops = append(v.Ops, index)
		v.AtNs = max(v.AtNs, o.InvokeNs, o.ReturnNs)
	}
	return v
}

// Verdict is what one checker came to.
type Verdict struct {
	Checker    string      `json:"checker"`
	Checked    string      `json:"checked"`
	Violations []Violation `json:"violations,omitempty"`
	// Undecided says why the checker could not come to an end.
	Undecided string  `json:"undecided,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// Verdicts are those of all checkers.
type Verdicts []Verdict

// Violations counts what did not hold.
func (v Verdicts) Violations() (all []Violation) {
	for _, verdict := range v {
		all = append(all, verdict.Violations...)
	}
	return all
}

// Undecided are the checkers that came to no end.
func (v Verdicts) Undecided() (texts []string) {
	for _, verdict := range v {
		if verdict.Undecided != "" {
			texts = append(texts, verdict.Checker+": "+verdict.Undecided)
		}
	}
	return texts
}

// Options bound what judging may take.
type Options struct {
	// Nodes is how many nodes have to agree in the end; 0 leaves that out.
	Nodes int
	// Complete says that the run came to its end: all faults were healed and
	// everything was read back.
	Complete bool
	// Porcupine bounds the time of each of its searches.
	Porcupine time.Duration
	// Dir takes porcupine's pictures of what it refuted, if it is set.
	Dir string
}

// maxViolations is how many violations one checker reports: more say no more.
const maxViolations = 20

// Judge runs all checkers over a history.
func Judge(h *history.History, options Options) Verdicts {
	v := newView(h.With(parts(h.Ops)), options)
	each := newView(h.With(single(v.Ops)), options)
	var verdicts Verdicts
	for _, c := range []struct {
		name  string
		view  *view
		check func(*view) ([]Violation, string, string)
	}{
		{"model", v, checkModel},
		{"order", v, checkOrder},
		{"logs", v, checkLogs},
		{"batches", v, checkBatches},
		{"handles", v, checkHandles},
		{"ends", v, checkEnds},
		{"lives", each, checkLives},
		{"watches", v, checkWatches},
		{"feeds", v, checkFeeds},
		{"tokens", each, checkTokens},
		{"holders", each, checkHolders},
		{"queue", v, checkQueue},
		{"lease time", each, checkLeaseTime},
		{"porcupine register", each, checkRegisters},
		{"porcupine lease", each, checkLeases},
		{"recovery", v, checkRecovery},
	} {
		began := time.Now()
		violations, checked, undecided := c.check(c.view)
		if len(violations) > maxViolations {
			violations = violations[:maxViolations]
		}
		verdicts = append(verdicts, Verdict{c.name, checked, violations, undecided, time.Since(began).Seconds()})
	}
	return verdicts
}
