package fsm

// flaw is one protection that is switched off. A build tag chooses it, and then
// everything that judges the product has to notice: see jepsen/mutants. The
// constant mutant says which one is built in; every other condition on a flaw is
// dead code.
type flaw int

const (
	none                      flaw = 0
	ignoresFenceOnAppend      flaw = 1
	ignoresFenceOnComplete    flaw = 2
	forgetsFencingInSnapshot  flaw = 3
	countsLeaderlessTime      flaw = 4
	letsClockGoBack           flaw = 5
	skipsTermCheck            flaw = 6
	ignoresKeptAnswers        flaw = 7
	forgetsSessionsInSnapshot flaw = 8
	transfersOneByOne         flaw = 9
	comparesNoLife            flaw = 10
	ignoresRetryDelay         flaw = 11
	handsOutWhatIsLeased      flaw = 12
	keepsHalfOfABatch         flaw = 13
)
