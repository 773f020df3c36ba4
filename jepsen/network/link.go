package network

import (
	"fmt"
	"time"
)

// Clients is the end of a link where everybody is who is no node.
const Clients = "clients"

// Link is one direction between two nodes, or between Clients and a node.
type Link struct{ From, To string }

// String is "n1>n2".
func (l Link) String() string { return l.From + ">" + l.To }

// Back is the other direction.
func (l Link) Back() Link { return Link{l.To, l.From} }

// Rule is what happens to the bytes of a link. The zero value lets them flow.
type Rule struct {
	// Cut lets nothing through. Bytes under way wait, as TCP would keep sending
	// them, and arrive after the link is mended unless it is reset before.
	Cut bool
	// Delay is added to the way of every byte, and a random part of Jitter. The
	// order of bytes stays.
	Delay, Jitter time.Duration
	// LossPercent is how many of a hundred segments are lost on the way, which
	// TCP's users see as a wait for the retransmission.
	LossPercent int
	// BytesPerSecond bounds how much flows, if it is not 0.
	BytesPerSecond int
}

// String describes the rule in a few words.
func (r Rule) String() string {
	switch {
	case r.Cut:
		return "cut"
	case r == Rule{}:
		return "fine"
	}
	text := ""
	if r.Delay > 0 || r.Jitter > 0 {
		text += fmt.Sprintf(" delay %v to %v", r.Delay, r.Delay+r.Jitter)
	}
	if r.LossPercent > 0 {
		text += fmt.Sprintf(" loss %d%%", r.LossPercent)
	}
	if r.BytesPerSecond > 0 {
		text += fmt.Sprintf(" %d bytes/s", r.BytesPerSecond)
	}
	return text[1:]
}

// Network is what faults are injected into. All methods are safe for
// concurrent use.
type Network interface {
	// Name is how the command line calls it.
	Name() string
	// Set gives a link a rule. It fails for one that this network does not have:
	// see CanDelay.
	Set(link Link, rule Rule) error
	// Reset breaks the connections between the two ends, where that is possible.
	Reset(link Link)
	// Heal lets everything flow again.
	Heal() error
	// CanDelay tells whether rules other than Cut are possible.
	CanDelay() bool
	// Close takes the network down.
	Close() error
}
