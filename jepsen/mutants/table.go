package mutants

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/check"
)

// Mutant is one protection that is switched off, and how that is noticed: by
// Run, or by Test, or not here at all.
type Mutant struct {
	// Name is how the command line calls it. Its build tag is the name behind
	// "mutant_".
	Name string
	// Folder is the package whose protection it is, Breaks what it does.
	Folder, Breaks string
	// Run is what finds it; nil where no run does.
	Run *Run
	// Test is the name of a test of Folder that finds it. It is run where no run
	// finds it.
	Test string
	// Hole says why no run finds it.
	Hole string
	// Quick mutants are those that are caught soonest.
	Quick bool
}

// Tag is the build tag that makes the mutant.
func (m Mutant) Tag() string { return "mutant_" + m.Name }

// Run is a run that is to find a mutant.
type Run struct {
	Workload, Nemeses string
	// Each is for how long one run lasts before the next seed is tried.
	Each time.Duration
	// Broken are the promises that it breaks.
	Broken []check.Sentence
}

// All are the mutants.
func All() []Mutant {
	return []Mutant{
		{
			Name: "fence_append", Folder: "fsm", Breaks: "an append is accepted whatever its fence", Quick: true,
			Run: &Run{"log", "none", 5 * time.Second, []check.Sentence{check.StaleIsRefused, check.FenceHolds, check.AnswersAgree}},
		},
		{
			Name: "fence_complete", Folder: "fsm", Breaks: "a completion is accepted whatever its fence", Quick: true,
			Run: &Run{"log", "none", 5 * time.Second, []check.Sentence{check.StaleIsRefused, check.AnswersAgree}},
		},
		{
			Name: "read_barrier", Folder: "cluster", Breaks: "a node that was the leader when it last looked answers reads at once",
			Run: &Run{"mixed", "blind", 12 * time.Second, []check.Sentence{check.RealTimeOrder, check.AnswersAgree, check.Linearizable}},
		},
		{
			Name: "verify_leader", Folder: "cluster", Breaks: "reads trust raft's VerifyLeader, which counts non-voters and answers from before the read",
			Run:  &Run{"register", "echo", 15 * time.Second, []check.Sentence{check.RealTimeOrder, check.AnswersAgree, check.Linearizable}},
			Test: "TestANonVotersAnswerNeverConfirmsARead",
		},
		{
			Name: "fencing_snapshot", Folder: "fsm", Breaks: "the counter of fencing tokens is not in the snapshot",
			Run: &Run{"lease", "snapshot,kill", 10 * time.Second, []check.Sentence{check.TokensGrow, check.TokensAreUnique, check.ReplicasAgree, check.AnswersAgree}},
		},
		{
			Name: "leaderless_time", Folder: "fsm", Breaks: "a takeover adds what its clock went forward to lease time", Quick: true,
			Run: &Run{"lease", "clock", 6 * time.Second, []check.Sentence{check.NoEarlyEnd, check.LeasesOutlive}},
		},
		{
			Name: "clock_back", Folder: "fsm", Breaks: "an entry with an earlier stamp takes the clock back",
			Run: &Run{"mixed", "clock", 10 * time.Second, []check.Sentence{check.ClocksGrow, check.RealTimeOrder}},
		},
		{
			Name: "term_check", Folder: "fsm", Breaks: "an entry is applied that was decided in an earlier term",
			Run:  &Run{"lease", "linger", 15 * time.Second, []check.Sentence{check.NoEarlyEnd, check.LeasesOutlive}},
			Test: "TestOnlyEntriesOfTheirOwnTermApply",
		},
		{
			Name: "sessions_off", Folder: "fsm", Breaks: "a write of a session is done again when it is sent again",
			Run: &Run{"log", "detour", 10 * time.Second, []check.Sentence{check.AtMostOnce, check.AnswersAgree}},
		},
		{
			Name: "sessions_snapshot", Folder: "fsm", Breaks: "client sessions are not in the snapshot",
			Run: &Run{"mixed", "snapshot,kill", 10 * time.Second, []check.Sentence{check.ReplicasAgree, check.AnswersAgree, check.AckedStays}},
		},
		{
			Name: "transfer_atomic", Folder: "fsm", Breaks: "a refused transfer of grants has moved those before the one that is missing",
			Run:  &Run{"grants", "none", 5 * time.Second, []check.Sentence{check.AnswersAgree}},
			Test: "TestTransfers",
		},
		{
			Name: "life_check", Folder: "fsm", Breaks: "an append lands in a later life of its process than the one it was decided for",
			Run:  &Run{"prune", "none", 10 * time.Second, []check.Sentence{check.AnswersAgree}},
			Test: "TestACommandDecidedAgainstAnotherLifeChangesNothing",
		},
		{
			Name: "retry_delay", Folder: "fsm", Breaks: "claim-next hands out a process before its delay is over",
			Run:  &Run{"queue", "none", 5 * time.Second, []check.Sentence{check.NoEarlyRetry, check.AnswersAgree}},
			Test: "TestWhatIsReady",
		},
		{
			Name: "claim_live", Folder: "fsm", Breaks: "claim-next hands out a process that somebody holds",
			Run:  &Run{"queue", "none", 5 * time.Second, []check.Sentence{check.OneHolder, check.StaleIsRefused, check.AnswersAgree}},
			Test: "TestWhatIsReady",
		},
		{
			Name: "batch_atomic", Folder: "fsm", Breaks: "a refused batch has done what comes before the operation that is refused",
			Run:  &Run{"batches", "none", 5 * time.Second, []check.Sentence{check.RefusedIsAbsent, check.AnswersAgree}},
			Test: "TestARefusedBatchLeavesNoTrace",
		},
		{
			Name: "forward_retry", Folder: "transport", Breaks: "a node that forwards a write sends it again when no answer came",
			Run: &Run{"log", "detour", 10 * time.Second, []check.Sentence{check.AtMostOnce, check.AnswersAgree}},
		},
		{
			Name: "disk_errors", Folder: "cluster", Breaks: "an append, a term or a vote that the disk refused counts as written",
			Run: &Run{"log", "fsync-fail", 15 * time.Second, []check.Sentence{check.AckedStays, check.AnswersAgree, check.ReplicasAgree, check.NodesStay, check.LeaderReturns}},
		},
		{
			Name: "fsync", Folder: "cluster", Breaks: "log, term and vote are written without fsync",
			Run: &Run{"log", "powerloss", 15 * time.Second, []check.Sentence{check.AckedStays, check.AnswersAgree, check.ReplicasAgree, check.LeaderReturns}},
		},
	}
}

// Choose returns the mutants of a list with commas; an empty list means all.
func Choose(list string, quick bool) (chosen []Mutant, err error) {
	table := make(map[string]Mutant)
	var names []string
	for _, m := range All() {
		table[m.Name] = m
		names = append(names, m.Name)
		if list == "" && (m.Quick || !quick) {
			chosen = append(chosen, m)
		}
	}
	if list == "" {
		return chosen, nil
	}
	for _, name := range strings.Split(list, ",") {
		m, ok := table[name]
		if !ok {
			return nil, fmt.Errorf("there is no mutant %q: choose some of %s", name, strings.Join(names, ","))
		}
		chosen = append(chosen, m)
	}
	return chosen, nil
}
