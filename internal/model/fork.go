package model

import (
	"maps"
	"slices"
)

// Fork is Clone for a caller that goes on to change these processes only, by
// operations that name no other: all other rows are shared.
func (s *State) Fork(ids ...string) *State {
	c := *s
	c.Processes, c.Grants = maps.Clone(s.Processes), maps.Clone(s.Grants)
	for _, id := range ids {
		if p := c.Processes[id]; p != nil {
			c.Processes[id] = p.clone()
		}
	}
	c.Sessions = maps.Clone(s.Sessions)
	for id, session := range c.Sessions {
		c.Sessions[id] = session.clone()
	}
	return &c
}

func (p *Process) clone() *Process {
	row := *p
	// Events never change, and an append to what is clipped makes a copy.
	row.Events, row.Acked = slices.Clip(p.Events), maps.Clone(p.Acked)
	return &row
}
