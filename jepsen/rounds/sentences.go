package rounds

import "fmt"

// Sentence is one promise that a run checks.
type Sentence string

// The sentences.
const (
	AckedStays      Sentence = "every acked event is in the log, exactly where it was acked, with the type, payload and replay key that were sent"
	AtMostOnce      Sentence = "an event whose append was sent is in the log at most once, acked or not"
	RefusedIsAbsent Sentence = "an append that was refused left no event"
	NothingInvented Sentence = "every event in the log was sent by somebody"
	LogIsDense      Sentence = "the events of a process have the sequences 1, 2, 3 and so on"
	FenceHolds      Sentence = "once an event under a greater fencing token is in the log, none under a smaller one follows"
	StaleIsRefused  Sentence = "an append under a lease that was released or superseded is never acked"
	TokensGrow      Sentence = "a claim gets a greater fencing token than every claim that was acked before it began"
	TokensAreUnique Sentence = "no two grants of a lease have the same fencing token"
	EndIsFinal      Sentence = "a process whose completion was acked stays completed"
	LeaderReturns   Sentence = "after every fault the nodes run again and a leader serves through each of them"
	ReplicasAgree   Sentence = "all replicas hold the same state at the same log entry"
)

// Violation is a promise that did not hold.
type Violation struct {
	Sentence Sentence
	// Detail says where it did not hold.
	Detail string
}

// Error implements error.
func (v *Violation) Error() string {
	return fmt.Sprintf("VIOLATED: %s\n%s", v.Sentence, v.Detail)
}

func violated(sentence Sentence, format string, args ...any) *Violation {
	return &Violation{Sentence: sentence, Detail: fmt.Sprintf(format, args...)}
}
