package fsm

import (
	"fmt"

	"github.com/holdfast-registry/holdfast/registry"
)

// RegisterProcess carries a validated registration, its event types completed,
// and its hash.
type RegisterProcess struct {
	Registration storedRegistration
	Hash         []byte

	record registry.ProcessRecord
}

// Record returns the record as it will be, but for what apply adds.
func (c *RegisterProcess) Record() (registry.ProcessRecord, error) { return c.Registration.load() }

// NewRegisterProcess makes the command body of a completed registration. hash
// is its SHA-256.
func NewRegisterProcess(r registry.ProcessRegistration, hash []byte) *RegisterProcess {
	return &RegisterProcess{Registration: storeRegistration(r), Hash: hash}
}

func (c *RegisterProcess) load() (err error) {
	if len(c.Hash) != 32 {
		return fmt.Errorf("registration hash of %d bytes", len(c.Hash))
	}
	c.record, err = c.Registration.load()
	return err
}

// CompleteProcess carries the terminal event of an output.
type CompleteProcess struct {
	ProcessID   string
	EventType   string
	Payload     []byte
	PayloadHash []byte
	ReplayKey   string
	Terminal    storedTerminal

	terminal registry.EventTerminal
}

// NewCompleteProcess makes the command body of a completion. request is what
// registry.CompletionRequest made of the output.
func NewCompleteProcess(processID string, request registry.ProcessEventAppendRequest, payloadHash []byte, output registry.ProcessAwaitOutput, outputHash []byte) *CompleteProcess {
	return &CompleteProcess{
		ProcessID:   processID,
		EventType:   request.EventType,
		Payload:     request.Payload,
		PayloadHash: payloadHash,
		ReplayKey:   request.Replay.Key,
		Terminal:    storeTerminal(registry.EventTerminal{State: output.Kind.State(), AwaitOutput: output}, outputHash),
	}
}

func (c *CompleteProcess) load() (err error) {
	if len(c.PayloadHash) != 32 {
		return fmt.Errorf("payload hash of %d bytes", len(c.PayloadHash))
	}
	c.terminal, err = c.Terminal.load()
	return err
}

func (*RegisterProcess) Kind() Kind { return KindRegisterProcess }
func (*CompleteProcess) Kind() Kind { return KindCompleteProcess }

func (*RegisterProcess) version() uint8 { return 1 }
func (*CompleteProcess) version() uint8 { return 1 }
