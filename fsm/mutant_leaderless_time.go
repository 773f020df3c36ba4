//go:build mutant_leaderless_time

package fsm

const mutant = countsLeaderlessTime
