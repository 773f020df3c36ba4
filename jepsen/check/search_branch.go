package check

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-registry/holdfast/jepsen/history"
)

// stepper answers what a state may be after an operation: nothing when it cannot
// have been answered as it was, several states when nobody knows.
type stepper[S comparable] func(state S, o *history.Op) []S

// branch is a state that a process may be in, and the unknown operations that
// have brought it there.
type branch[S comparable] struct {
	state S
	// used are the indexes of those operations, ascending; called is when the last
	// of them was.
	used   []int
	called int64
}

// branches are all states that a process may be in behind a row of operations
// whose answers are known. Those of unknown outcome are none of the operations
// that are put in a row, which would double the ways to go with each: they
// happen just before the first one that may have seen them, or never.
type branches[S comparable] []branch[S]

// modelOf makes a model for porcupine of the steps of one process.
func modelOf[S comparable](step stepper[S], unknown []*history.Op) porcupine.Model {
	seed := maphash.MakeSeed()
	return porcupine.Model{
		Init: func() any { return branches[S]{{}} },
		Step: func(state, input, _ any) (bool, any) {
			next := state.(branches[S]).step(step, input.(*history.Op), unknown)
			return len(next) > 0, next
		},
		Equal:             func(a, b any) bool { return a.(branches[S]).equal(b.(branches[S])) },
		Hash:              func(state any) uint64 { return state.(branches[S]).hash(seed) },
		DescribeOperation: describeOperation,
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// step goes on to an operation whose answer is known.
func (all branches[S]) step(step stepper[S], o *history.Op, unknown []*history.Op) branches[S] {
	next := make(branchSet[S])
	for _, before := range all.before(step, o, unknown) {
		for _, state := range step(before.state, o) {
			next.add(branch[S]{state, before.used, before.called})
		}
	}
	return next.all()
}

// before are the branches in which unknown operations have happened before an
// operation. What comes behind an unknown one has not returned before that was
// called.
func (all branches[S]) before(step stepper[S], o *history.Op, unknown []*history.Op) branches[S] {
	possible := make(branchSet[S])
	var tried branches[S]
	for _, b := range all {
		if b.called <= o.ReturnNs && possible.add(b) {
			tried = append(tried, b)
		}
	}
	for len(tried) > 0 {
		var found branches[S]
		for _, b := range tried {
			for _, u := range unknown {
				if u.InvokeNs > o.ReturnNs {
					break // they are in the order of their calls
				}
				if _, used := slices.BinarySearch(b.used, u.Index); used {
					continue
				}
				for _, state := range step(b.state, u) {
					if state == b.state {
						continue
					}
					if after := b.after(state, u); possible.add(after) {
						found = append(found, after)
					}
				}
			}
		}
		tried = found
	}
	return possible.all()
}

// after is the branch in which an unknown operation happened besides.
func (b branch[S]) after(state S, u *history.Op) branch[S] {
	at, _ := slices.BinarySearch(b.used, u.Index)
	return branch[S]{state, slices.Insert(slices.Clone(b.used), at, u.Index), max(b.called, u.InvokeNs)}
}

// covers tells whether whatever may come of another branch of the same state may
// come of this one.
func (b branch[S]) covers(other branch[S]) bool { return within(b.used, other.used) }

// branchSet are branches by their state, without those that others cover.
type branchSet[S comparable] map[S][]branch[S]

// add adds a branch, which may take the place of others, unless it brings nothing
// new.
func (set branchSet[S]) add(b branch[S]) bool {
	have := set[b.state]
	if slices.ContainsFunc(have, func(other branch[S]) bool { return other.covers(b) }) {
		return false
	}
	set[b.state] = append(slices.DeleteFunc(have, b.covers), b)
	return true
}

func (set branchSet[S]) all() (all branches[S]) {
	for _, some := range set {
		all = append(all, some...)
	}
	return all
}

// equal tells that there are the same branches, in whatever order.
func (all branches[S]) equal(others branches[S]) bool {
	if len(all) != len(others) {
		return false
	}
	set := make(branchSet[S], len(all))
	for _, b := range all {
		set[b.state] = append(set[b.state], b)
	}
	return !slices.ContainsFunc(others, func(other branch[S]) bool {
		return !slices.ContainsFunc(set[other.state], func(b branch[S]) bool { return slices.Equal(b.used, other.used) })
	})
}

// hash is the same in whatever order the branches are.
func (all branches[S]) hash(seed maphash.Seed) (sum uint64) {
	for _, b := range all {
		h := maphash.Comparable(seed, b.state)
		for _, i := range b.used {
			h = h*31 + uint64(i)
		}
		sum ^= h
	}
	return sum
}
