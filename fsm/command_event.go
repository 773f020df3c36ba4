package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// AppendEvent carries one event with everything that the leader found out
// about it. Refusal is the leader's own: it holds only when no check that
// comes before it in the contract's order refuses, and no stored event answers
// the replay key.
type AppendEvent struct {
	ProcessID   string
	EventType   string
	Payload     []byte
	PayloadHash []byte
	// HasReplay tells a present replay key from none; a present one may be
	// empty, which only ever meets a refusal.
	HasReplay bool
	ReplayKey string
	// TerminalType tells that the declared type ends the process, whether or
	// not the leader refused the event.
	TerminalType bool
	Terminal     *storedTerminal
	Wake         *storedMaterialisedWake
	Refusal      *storedRefusal

	terminal registry.EventTerminal
}

// NewAppendEvent makes the command body of an event. Exactly one of
// materialised and refusal says what the leader decided; a nil refusal with an
// empty Materialised is a plain event. outputHash is the hash of the terminal
// output without its evidence time, nil when there is none.
func NewAppendEvent(processID string, request registry.ProcessEventAppendRequest, payloadHash []byte, terminalType bool, materialised registry.Materialised, outputHash []byte, refusal *registry.Error) *AppendEvent {
	body := &AppendEvent{
		ProcessID:    processID,
		EventType:    request.EventType,
		Payload:      request.Payload,
		PayloadHash:  payloadHash,
		TerminalType: terminalType,
	}
	if request.Replay != nil {
		body.HasReplay, body.ReplayKey = true, request.Replay.Key
	}
	if refusal != nil {
		stored := storeRefusal(refusal)
		body.Refusal = &stored
		return body
	}
	if materialised.Terminal != nil {
		stored := storeTerminal(*materialised.Terminal, outputHash)
		body.Terminal = &stored
	}
	if wake := materialised.Wake; wake != nil {
		body.Wake = &storedMaterialisedWake{Input: wake.Input, DedupeKey: wake.DedupeKey, EventIdentity: wake.EventIdentity}
	}
	return body
}

func (c *AppendEvent) load() (err error) {
	if len(c.PayloadHash) != 32 {
		return fmt.Errorf("payload hash of %d bytes", len(c.PayloadHash))
	}
	if c.Terminal != nil {
		c.terminal, err = c.Terminal.load()
	}
	return err
}

// AckWake names a sequence whose wake was consumed.
type AckWake struct {
	ProcessID string
	Sequence  uint64
}

func (*AppendEvent) Kind() Kind { return KindAppendEvent }
func (*AckWake) Kind() Kind     { return KindAckWake }

func (*AppendEvent) version() uint8 { return 1 }
func (*AckWake) version() uint8     { return 1 }
